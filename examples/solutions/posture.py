"""Says how straight people in a photograph hold themselves: python posture.py photo.jpg

Seen from the side: the angle ear - shoulder - hip is near 180 degrees when sitting or standing
straight, and smaller with the head forward.
"""

from __future__ import annotations

import math
import sys

from litepose_edge import Estimator, Person

SLOUCHING = 150.0  # degrees


def posture(person: Person) -> float:
    """Degrees at the shoulder between ear and hip, of the side that is seen better; NaN if none."""
    sides = {
        person[f"{side}_ear"].score: person.angle(f"{side}_ear", f"{side}_shoulder", f"{side}_hip")
        for side in ("left", "right")
    }
    seen = {score: degrees for score, degrees in sides.items() if not math.isnan(degrees)}
    return seen[max(seen)] if seen else math.nan


def main(path: str) -> None:
    with Estimator() as estimator:
        poses = estimator.predict(path)
    for number, person in enumerate(poses, 1):
        degrees = posture(person)
        if math.isnan(degrees):
            print(f"person {number}: ear, shoulder or hip are not visible")
        else:
            word = "slouching" if degrees < SLOUCHING else "straight"
            print(f"person {number}: {degrees:.0f} degrees, {word}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
