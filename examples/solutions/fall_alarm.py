"""Says when a person falls: python fall_alarm.py clip.mp4 (or 0 for a camera).

A body that was upright lies within a second and stays down. No medical device: try it on yourself.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict

from litepose_edge import Estimator, Person

UPRIGHT, LYING = 35.0, 60.0  # degrees between the body and the vertical
FALL_S, STAYS_S = 1.0, 0.5


def lean(person: Person) -> float:
    """Degrees between the vertical and the line from the feet to the shoulders, 0 to 180."""
    for end in ("ankle", "knee", "hip"):  # the lowest that is visible
        if person.sees("left_shoulder", "right_shoulder", f"left_{end}", f"right_{end}"):
            left, right = person["left_shoulder"], person["right_shoulder"]
            low_left, low_right = person[f"left_{end}"], person[f"right_{end}"]
            dx = low_left.x + low_right.x - left.x - right.x
            dy = low_left.y + low_right.y - left.y - right.y
            return math.degrees(math.atan2(abs(dx), dy))
    return math.nan


class FallDetector:
    """Watches one person."""

    def __init__(self) -> None:
        self._upright_s, self.fallen = -math.inf, False
        self._fell_s: float | None = None

    def update(self, person: Person, timestamp_s: float) -> bool:
        """True once for each fall."""
        angle = lean(person)
        if angle < UPRIGHT:
            self._upright_s, self._fell_s, self.fallen = timestamp_s, None, False
        elif angle > LYING and self._fell_s is None and timestamp_s - self._upright_s <= FALL_S:
            self._fell_s = timestamp_s
        before = self.fallen
        self.fallen |= self._fell_s is not None and timestamp_s - self._fell_s >= STAYS_S
        return self.fallen and not before


def main(source: str) -> None:
    people: dict[int | None, FallDetector] = defaultdict(FallDetector)
    with Estimator() as estimator:
        for result in estimator.stream(source, detect_every=10):
            for person in result.poses:
                if people[person.track_id].update(person, result.timestamp_s):
                    print(f"{result.timestamp_s:.1f} s: person {person.track_id} has fallen")
    print(f"{len(people)} people watched")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
