"""Says who raises a hand: python hand_raised.py clip.mp4 (or 0 for a camera)."""

from __future__ import annotations

import sys
from collections import defaultdict

from litepose_edge import Estimator, Person

HELD_S = 0.3  # a hand that only passes by does not count


def raised_hands(person: Person) -> list[str]:
    """Which hands are higher than the eyes and the elbow of their arm."""
    return [
        side
        for side in ("left", "right")
        if person.sees(f"{side}_wrist", f"{side}_elbow", f"{side}_eye")
        and person[f"{side}_wrist"].y < person[f"{side}_elbow"].y
        and person[f"{side}_wrist"].y < person[f"{side}_eye"].y
    ]


class HandRaised:
    """Watches one person."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self.raised = False

    def update(self, person: Person, timestamp_s: float) -> bool:
        """Whether a hand was raised just now; True once a raise."""
        if not raised_hands(person):
            self._since_s, self.raised = None, False
            return False
        if self._since_s is None:
            self._since_s = timestamp_s
        held = timestamp_s - self._since_s >= HELD_S
        now, self.raised = held and not self.raised, self.raised or held
        return now


def main(source: str) -> None:
    people: dict[int | None, HandRaised] = defaultdict(HandRaised)
    with Estimator() as estimator:
        for result in estimator.stream(source, detect_every=10):
            for person in result.poses:
                if people[person.track_id].update(person, result.timestamp_s):
                    hands = " and ".join(raised_hands(person))
                    print(f"{result.timestamp_s:.1f} s: person {person.track_id}, {hands} hand")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
