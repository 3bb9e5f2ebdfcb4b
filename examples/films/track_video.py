"""Track people through a video or camera: python track_video.py clip.mp4 (or 0 for a camera)."""

from __future__ import annotations

import sys

from litepose_edge import Estimator


def main(source: str) -> None:
    """Print where each person's nose is, frame by frame."""
    with Estimator() as estimator:
        for result in estimator.stream(source, detect_every=10):
            for person in result.poses:
                x, y, _ = person["nose"]
                seconds = f"{result.timestamp_s:.2f} s"
                print(f"{seconds}: person {person.track_id}, nose ({x:.0f}, {y:.0f})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
