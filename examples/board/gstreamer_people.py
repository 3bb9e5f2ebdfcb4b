"""Tracks people in a GStreamer pipeline: python gstreamer_people.py v4l2src device=/dev/video0

Any OpenCV will do: frames come from gst-launch-1.0 through a pipe (OpenCV from an index is built
without GStreamer). Others: rtspsrc location=rtsp://camera/1 latency=0 ! decodebin
                        nvarguscamerasrc ! nvvidconv     (a Jetson's own camera)
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from litepose_edge import Estimator

WIDTH, HEIGHT = 640, 480
CAPS = f"video/x-raw,format=BGR,width={WIDTH},height={HEIGHT}"
# At most one frame waits, the newest: a slow reader sees the present.
LATEST = "queue max-size-buffers=1 max-size-bytes=0 max-size-time=0 leaky=downstream"


def frames(pipeline: list[str]) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Seconds and frames, until the pipeline ends."""
    end = f"! videoconvert ! videoscale ! {CAPS} ! {LATEST} ! fdsink".split()
    command = ["gst-launch-1.0", "--quiet", *pipeline, *end]
    size = WIDTH * HEIGHT * 3
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            while len(content := process.stdout.read(size)) == size:
                yield time.monotonic(), np.frombuffer(content, np.uint8).reshape(HEIGHT, WIDTH, 3)
        finally:
            process.terminate()


def main(pipeline: list[str]) -> None:
    with Estimator() as estimator:
        tracker = estimator.tracker(detect_every=10)
        for timestamp_s, frame in frames(pipeline):
            for person in tracker.update(frame, timestamp_s=timestamp_s):
                print(f"person {person.track_id}: nose at {person['nose']}")


if __name__ == "__main__":
    main(sys.argv[1:] or sys.exit(__doc__))
