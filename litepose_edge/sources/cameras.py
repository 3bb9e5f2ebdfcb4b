"""Opens cameras by number or device, and GStreamer pipelines, by the way that suits the system."""

from __future__ import annotations

import sys

import cv2

from litepose_edge.errors import SourceError

PIPELINE = "gst:"
# OpenCV adds a hundred for each of its ways to open a camera: from here on, one is named.
FIRST_NAMED = 100
# Media Foundation, OpenCV's first choice, takes many seconds to open a camera.
WAYS = {
    "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF),
    "darwin": (cv2.CAP_AVFOUNDATION,),
    "linux": (cv2.CAP_V4L2,),
}
# The newest frame waits and older ones are dropped, as with any camera.
SINK = "videoconvert ! video/x-raw,format=BGR ! appsink max-buffers=1 drop=true sync=false"


def open_camera(source: int | str) -> cv2.VideoCapture:
    """Open a camera.

    Args:
        source: Its number, where 0 to 99 are opened in the system's own way and others in the one
            that OpenCV's hundreds name; or its device on Linux.

    Returns:
        One that is not opened where there is no such camera.
    """
    if isinstance(source, str):
        return cv2.VideoCapture(source, cv2.CAP_V4L2)
    ways = WAYS.get(sys.platform, ()) if 0 <= source < FIRST_NAMED else ()
    for way in (*(w for w in ways if cv2.videoio_registry.hasBackend(w)), cv2.CAP_ANY):
        capture = cv2.VideoCapture(source, way)
        if capture.isOpened():
            break
        capture.release()
    return capture


def open_pipeline(source: str) -> cv2.VideoCapture:
    """Open a GStreamer pipeline, `gst:` before it; a sink is added where it has none.

    Raises:
        SourceError: This OpenCV was built without GStreamer.
    """
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise SourceError(
            f"cannot open {PIPELINE}...: this OpenCV was built without GStreamer, as those from "
            "package indexes are; examples/board/gstreamer_people.py reads a pipeline with any "
            "OpenCV"
        )
    pipeline = source.removeprefix(PIPELINE).strip().rstrip("!").strip()
    if "appsink" not in pipeline:
        pipeline = f"{pipeline} ! {SINK}"
    return cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
