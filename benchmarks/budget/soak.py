"""Memory over a long stream: how much a process grows after its warm-up.

python -m benchmarks.budget.soak [--frames 20000] [--detect-every 10]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

import cv2
import numpy as np

from litepose_edge import Estimator
from litepose_edge.sources import read_image
from litepose_edge.sources.photographs import scikit_image_photographs

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
    print(f"{options.frames} frames, {people} people found, resident memory {before:.1f} MB after")
    print(f"{WARM_UP} frames, grown by {growth:.2f} MB since (<= {BAR_MB:g}): {verdict}")


def frames(count: int) -> Iterator[np.ndarray]:
    """Scikit-image's astronaut, who moves to and fro and is not there in every fourth hundred."""
    photograph = read_image(scikit_image_photographs() / "astronaut.png")
    picture = cv2.resize(photograph, (240, 240), interpolation=cv2.INTER_AREA)
    for number in range(count):
        frame = np.full((240, 320, 3), 110, np.uint8)
        if number % 400 < 300:
            x = int(40 + 40 * np.sin(number / 40))
            frame[:, x : x + 240] = picture
        yield frame


def resident_mb() -> float:
    """Memory of this process that is in RAM, from /proc."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 - read as often as wanted
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
