"""Memory over a long stream: how much a process grows after its warm-up.

python benchmarks/soak.py [--frames 20000] [--detect-every 10]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

import cv2
import numpy as np

from litepose_edge import Estimator

WARM_UP, BAR_MB = 1000, 5.0


def main() -> None:
    """Stream drawn frames and print the growth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--detect-every", type=int, default=10, help="0: every frame for itself")
    options = parser.parse_args()
    before, people = 0.0, 0
    with Estimator() as estimator:
        stream = estimator.stream(frames(options.frames), detect_every=options.detect_every or None)
        for result in stream:
            people += len(result.poses)
            if result.index == WARM_UP:
                before = resident_mb()
    growth = resident_mb() - before
    verdict = "reached" if growth <= BAR_MB else "NOT reached"
    print(f"{options.frames} frames, {people} people seen, resident memory {before:.1f} MB after")
    print(f"{WARM_UP} frames, grown by {growth:.2f} MB since (<= {BAR_MB:g}): {verdict}")


def frames(count: int) -> Iterator[np.ndarray]:
    """A figure of bars that walks to and fro, and now and then is not there."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(60, 200, (240, 320, 3), np.uint8), (0, 0), 4)
    for number in range(count):
        frame = ground.copy()
        if number % 400 < 300:
            x = int(160 + 100 * np.sin(number / 40))
            cv2.circle(frame, (x, 70), 14, (150, 170, 210), -1)
            cv2.rectangle(frame, (x - 20, 86), (x + 20, 150), (120, 60, 40), -1)
            for side in (-1, 1):
                cv2.line(frame, (x + 12 * side, 150), (x + 16 * side, 220), (60, 40, 30), 12)
                cv2.line(frame, (x + 20 * side, 92), (x + 34 * side, 140), (150, 170, 210), 9)
        yield frame


def resident_mb() -> float:
    """Memory of this process that is in RAM, from /proc."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 - read as often as wanted
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
