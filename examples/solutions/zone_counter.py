"""Counts who enters a zone, and for how long: python zone_counter.py clip.mp4 9,9 400,9 400,300

The zone is a polygon of three or more corners, in pixels. A person is where the feet are: in the
middle of the lower edge of the box.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import cv2
import numpy as np

from litepose_edge import Estimator, Poses


@dataclass
class Zone:
    """Who is inside, who was, and since when.

    Attributes:
        corners: `(x, y)` in pixels.
        inside: Ids of the people inside now, and since when.
        seconds: How long each person was inside in all.
    """

    corners: list[tuple[float, float]]
    inside: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)

    def update(self, poses: Poses, timestamp_s: float) -> None:
        polygon = np.array(self.corners, np.float32)
        inside = {}
        for person in poses:
            x1, _, x2, y2 = person.box_xyxy.tolist()
            there = cv2.pointPolygonTest(polygon, ((x1 + x2) / 2, y2), False) >= 0
            if there and person.track_id is not None:
                inside[person.track_id] = timestamp_s
        for track_id in inside:
            passed = timestamp_s - self.inside.get(track_id, timestamp_s)
            self.seconds[track_id] = self.seconds.get(track_id, 0.0) + passed
        self.inside = inside


def main(source: str, corners: list[str]) -> None:
    zone = Zone([(float(x), float(y)) for x, y in (corner.split(",") for corner in corners)])
    with Estimator() as estimator:
        for result in estimator.stream(source, detect_every=10):
            before = set(zone.inside)
            zone.update(result.poses, result.timestamp_s)
            for track_id in set(zone.inside) ^ before:
                verb = "enters" if track_id in zone.inside else "leaves"
                print(f"{result.timestamp_s:.1f} s: person {track_id} {verb}")
    for track_id, seconds in zone.seconds.items():
        print(f"person {track_id}: {seconds:.1f} s inside")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 4 else sys.exit(__doc__), sys.argv[2:])
