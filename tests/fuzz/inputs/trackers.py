"""Videos frame by frame: times that jump, stand still or are no numbers, sizes that change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge.errors import LitePoseError
from tests.fuzz.expressions import NUMBERS, pick, value_of
from tests.fuzz.inputs import frames
from tests.fuzz.kinds import Answer, InputClass, answer_of, digest

SIZES = ("(80, 96)", "(80, 96)", "(80, 96)", "(40, 48)", "(1, 1)", "(300, 7)")


def seeds() -> list[bytes]:
    """Three steady videos: with times, with gaps, without times."""
    return [
        str([((80, 96), i / 30) for i in range(8)]).encode(),
        str([((80, 96), float(i)) for i in (0, 1, 5, 6, 60, 61)]).encode(),
        str([((80, 96), None) for _ in range(6)]).encode(),
    ]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """A few frames whose times or sizes are not the next ones."""
    steps = []
    for i in range(int(rng.integers(2, 8))):
        time = f"{i / 30:.4f}" if rng.integers(3) else pick(rng, NUMBERS)
        steps.append(f"({pick(rng, SIZES)}, {time})")
    return f"[{', '.join(steps)}]".encode()


def run(path: Path) -> Answer:
    """Follow the one person that the detector sees."""
    steps: list[tuple[tuple[int, int], Any]] = value_of(path.read_bytes())
    tracker = frames.estimator_in(path.parent).tracker(detect_every=3)
    rng, digests, before = np.random.default_rng(0), [], -np.inf
    for (height, width), time in steps:
        frame = rng.integers(0, 256, (height, width, 3), np.uint8)
        poses = tracker.update(frame) if time is None else tracker.update(frame, timestamp_s=time)
        answer = answer_of(poses)
        if answer.complaint:
            return answer
        if poses.track_ids is None or len(set(poses.track_ids.tolist())) != len(poses):
            return Answer("", f"ids {poses.track_ids} of {len(poses)} people")
        digests += [answer.digest, digest(poses.track_ids)]
        if time is not None:
            if not _is_time(time):
                return Answer("", f"a frame at time {time!r} is taken")
            if float(time) <= before:
                return Answer("", f"a frame at {time} after one at {before} is taken")
            before = float(time)
    return Answer(digest(*digests))


def _is_time(time: Any) -> bool:
    try:
        return bool(np.isfinite(float(time)))
    except (TypeError, ValueError, OverflowError):
        return False


CLASS = InputClass(".py", seeds, mutate, run, expected=(LitePoseError, ValueError, TypeError))
