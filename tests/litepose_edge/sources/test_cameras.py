"""How cameras and pipelines are opened; no camera is needed."""

from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

import cv2
import pytest

from litepose_edge.errors import SourceError
from litepose_edge.sources import is_video, open_source
from litepose_edge.sources.cameras import open_camera, open_pipeline


class Capture:
    """Stands in for `cv2.VideoCapture`; opens in the ways that are listed."""

    tried: ClassVar[list] = []
    opens: ClassVar[tuple] = ()

    def __init__(self, source, way=cv2.CAP_ANY):
        self.tried.append((source, way))
        self._opened = way in self.opens

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return self._opened

    def release(self):
        self._opened = False


@pytest.fixture
def capture(monkeypatch):
    monkeypatch.setattr(Capture, "tried", [])
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda way: True)
    return Capture


@pytest.mark.parametrize(
    ("system", "opens", "tried"),
    [
        ("linux", cv2.CAP_V4L2, [cv2.CAP_V4L2]),
        ("win32", cv2.CAP_DSHOW, [cv2.CAP_DSHOW]),
        ("win32", cv2.CAP_MSMF, [cv2.CAP_DSHOW, cv2.CAP_MSMF]),
        ("darwin", cv2.CAP_AVFOUNDATION, [cv2.CAP_AVFOUNDATION]),
        ("freebsd", cv2.CAP_ANY, [cv2.CAP_ANY]),
        ("linux", None, [cv2.CAP_V4L2, cv2.CAP_ANY]),
    ],
)
def test_a_number_is_opened_in_the_systems_own_way_first(
    capture, monkeypatch, system, opens, tried
):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(capture, "opens", (opens,))
    assert open_camera(1).isOpened() is (opens is not None)
    assert capture.tried == [(1, way) for way in tried]


def test_opencvs_hundreds_name_the_way_themselves(capture):
    open_camera(cv2.CAP_DSHOW + 1)
    assert capture.tried == [(cv2.CAP_DSHOW + 1, cv2.CAP_ANY)]
    capture.tried.clear()
    open_camera("/dev/v4l/by-id/usb-cam")
    assert capture.tried == [("/dev/v4l/by-id/usb-cam", cv2.CAP_V4L2)]


def test_a_pipeline_gets_a_sink_unless_it_has_one(capture):
    open_pipeline("gst:v4l2src device=/dev/video0 ! image/jpeg ! jpegdec")
    open_pipeline("gst: videotestsrc ! videoconvert ! appsink sync=true ")
    (with_sink, way), (own, _) = capture.tried
    assert way == cv2.CAP_GSTREAMER
    assert with_sink.startswith("v4l2src device=/dev/video0 ! image/jpeg ! jpegdec ! videoconvert")
    assert with_sink.endswith("format=BGR ! appsink max-buffers=1 drop=true sync=false")
    assert own == "videotestsrc ! videoconvert ! appsink sync=true"


def test_without_gstreamer_it_is_said_what_has_it():
    assert is_video("gst:videotestsrc")
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(SourceError, match="built without GStreamer"):
        open_source("gst:videotestsrc")


def test_the_command_says_one_line_about_a_stream_that_does_not_answer():
    command = [sys.executable, "-m", "litepose_edge", "predict"]
    for source in ("rtsp://127.0.0.1:9/none", "99"):
        done = subprocess.run(
            [*command, source, "--timeout", "3", "--quiet"], capture_output=True, text=True
        )
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"error: cannot open {'camera 99' if source == '99' else source}: "
            "no such camera or stream, or an unknown format"
        ]
