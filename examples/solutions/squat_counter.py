"""Counts squats of each person: python squat_counter.py clip.mp4 (or 0 for a camera).

Other exercises: other joints and angles, such as shoulder, elbow, wrist for curls.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict

from litepose_edge import Estimator, Person

UP, DOWN = 155.0, 125.0  # degrees at the knee; between the two nothing changes


class RepetitionCounter:
    """Counts one person's repetitions: down and up again."""

    def __init__(self, up: float = UP, down: float = DOWN) -> None:
        self.count = 0
        self._up, self._down, self._is_down = up, down, False

    def update(self, person: Person) -> int:
        """Repetitions until now."""
        knees = [person.angle(f"{s}_hip", f"{s}_knee", f"{s}_ankle") for s in ("left", "right")]
        seen = [knee for knee in knees if not math.isnan(knee)]
        if seen:
            knee = sum(seen) / len(seen)
            if knee < self._down:
                self._is_down = True
            elif knee > self._up and self._is_down:
                self.count, self._is_down = self.count + 1, False
        return self.count


def main(source: str) -> None:
    counters: dict[int | None, RepetitionCounter] = defaultdict(RepetitionCounter)
    with Estimator() as estimator:
        for result in estimator.stream(source, detect_every=10):
            for person in result.poses:
                before = counters[person.track_id].count
                count = counters[person.track_id].update(person)
                if count > before:
                    print(f"{result.timestamp_s:.1f} s: person {person.track_id}, squat {count}")
    for track_id, counter in counters.items():
        print(f"person {track_id}: {counter.count} squats")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
