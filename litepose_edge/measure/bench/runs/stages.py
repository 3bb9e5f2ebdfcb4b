"""Where a frame's time goes: detector, cropping, network, decoding."""

from __future__ import annotations

import time
from typing import Any

from numpy.typing import NDArray

from litepose_edge.backends import Session, TensorSpec
from litepose_edge.measure.bench.runs.clip import MIN_SCORE, ClipFrame, FindBoxes
from litepose_edge.measure.bench.runs.figures import Summary, summarize
from litepose_edge.pipelines.topdown import TopDown

STAGES = ("detect", "crop", "infer", "decode")
MIN_ROUNDS = 5


class StageTimedSession:
    """A session that records when its runs began and ended."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runs: list[tuple[int, int]] = []

    @property
    def input(self) -> TensorSpec:
        """Name, shape and dtype of the one input."""
        return self._session.input

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        began = time.perf_counter_ns()
        outputs = self._session.run(batch)
        self.runs.append((began, time.perf_counter_ns()))
        return outputs

    def close(self) -> None:
        """Free the network."""
        self._session.close()


def measure_stages(
    topdown: TopDown,
    sessions: list[StageTimedSession],
    detector: FindBoxes,
    frames: list[ClipFrame],
    seconds: float,
) -> dict[str, Summary]:
    """The stages of frames whose boxes are given, in milliseconds a frame.

    Cropping is the time before the last run's end that is not in a run, decoding the time after.

    Args:
        topdown: One that runs crops one by one: with one thread, or with one box a frame.
        sessions: Those it has opened; its first call fills the list.
        detector: Timed as a whole.
        frames: With boxes.
        seconds: How long.
    """
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
    until = time.perf_counter() + seconds
    rounds = 0
    while rounds < MIN_ROUNDS or time.perf_counter() < until:
        frame = frames[rounds % len(frames)]
        assert frame.boxes_xyxy is not None
        began = time.perf_counter_ns()
        detector(frame.image, MIN_SCORE)
        samples["detect"].append((time.perf_counter_ns() - began) / 1e6)
        for session in sessions:
            session.runs.clear()
        began = time.perf_counter_ns()
        topdown(frame.image, frame.boxes_xyxy)
        ended = time.perf_counter_ns()
        runs = [run for session in sessions for run in session.runs]
        infer, last = sum(end - begin for begin, end in runs), max(end for _, end in runs)
        samples["crop"].append((last - began - infer) / 1e6)
        samples["infer"].append(infer / 1e6)
        samples["decode"].append((ended - last) / 1e6)
        rounds += 1
    return {stage: summarize(samples[stage][1:]) for stage in STAGES}
