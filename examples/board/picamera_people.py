"""Tracks people before a Raspberry Pi's camera: python picamera_people.py

picamera2 comes with Raspberry Pi OS (sudo apt install python3-picamera2); make the environment with
python -m venv --system-site-packages, so that it is seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from picamera2 import Picamera2

from litepose_edge import Estimator

SIZE = (640, 480)


def frames() -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Seconds and frames, until the camera is stopped."""
    camera = Picamera2()
    # What picamera2 calls RGB888 lies in memory as B, G, R: OpenCV's order.
    camera.configure(camera.create_video_configuration(main={"size": SIZE, "format": "RGB888"}))
    camera.start()
    try:
        while True:
            yield time.monotonic(), camera.capture_array("main")
    finally:
        camera.stop()
        camera.close()


def main() -> None:
    with Estimator() as estimator:
        tracker = estimator.tracker(detect_every=10)
        for timestamp_s, frame in frames():
            for person in tracker.update(frame, timestamp_s=timestamp_s):
                print(f"person {person.track_id}: nose at {person['nose']}")


if __name__ == "__main__":
    main()
