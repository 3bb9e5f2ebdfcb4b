"""Tracks people before a camera as a service that systemd watches: python camera_service.py 0

A line of JSON for each frame with people goes to the journal. A frame that is done feeds the
watchdog: when the camera or the board hangs, systemd starts the service anew. Its unit is
examples/board/litepose-camera.service; without systemd nothing is told to anyone.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time

from litepose_edge import Estimator

# The watchdog is fed at most so often; the unit's WatchdogSec is several times as long.
FEED_S = 2.0


def notify(state: str) -> None:
    """Tell systemd (sd_notify's protocol), if it asked."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        # A leading @ stands for the zero byte of Linux's abstract names.
        address = "\0" + address[1:] if address.startswith("@") else address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(state.encode(), address)


def main(source: str) -> None:
    fed = None
    with Estimator() as estimator:
        # A camera that is unplugged for a minute comes back; then the service fails, and restarts.
        results = estimator.stream(source, detect_every=10, reconnect=60, timeout_s=10)
        for result in results:
            if fed is None:
                notify("READY=1")  # the camera gives frames
            if fed is None or time.monotonic() - fed >= FEED_S:
                fed = time.monotonic()
                notify("WATCHDOG=1")
            if len(result.poses):
                noses = [person["nose"][:2] for person in result.poses]
                places = [[round(float(x)), round(float(y))] for x, y in noses]
                ids = [person.track_id for person in result.poses]
                line = {"time_s": round(result.timestamp_s or 0.0, 3), "ids": ids, "noses": places}
                print(json.dumps(line), flush=True)
    notify("STOPPING=1")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
