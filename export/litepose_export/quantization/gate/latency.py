"""Times two model files on this machine, in turns, on one thread."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from litepose_edge.backends import Session, open_bytes

LEAST_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Race:
    """What both files took.

    Attributes:
        float_ms: Median of the float file for one input.
        int8_ms: Median of the INT8 file.
        ratio: Median over the rounds of INT8's time by the float file's of the same round.
        rounds: How many.
    """

    float_ms: float
    int8_ms: float
    ratio: float
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return asdict(self)

    def __str__(self) -> str:
        if self.ratio <= 1:
            return (
                f"INT8 is faster here: {self.int8_ms:.2f} ms against {self.float_ms:.2f} ms, "
                f"{self.ratio:.2f} of the time"
            )
        return (
            f"INT8 is slower here: {self.int8_ms:.2f} ms against {self.float_ms:.2f} ms, "
            f"{self.ratio:.2f} times as long; run the float file on this machine"
        )


def race(
    exact: onnx.ModelProto,
    quantized: onnx.ModelProto,
    batch: NDArray[Any],
    seconds: float,
) -> Race:
    """Run both in turns; each timed call follows an untimed one of the same file.

    Args:
        exact: The float file.
        quantized: The INT8 file.
        batch: An input.
        seconds: At least so long, and at least `LEAST_ROUNDS` rounds.
    """
    first, second = (open_bytes(model.SerializeToString()) for model in (exact, quantized))
    done = race_sessions((first, second), batch, seconds)
    first.close()
    second.close()
    return done


def race_sessions(sessions: tuple[Session, Session], batch: NDArray[Any], seconds: float) -> Race:
    """The same with files that are open already, in whichever engine: float first."""
    times: list[tuple[float, ...]] = []
    began = time.perf_counter()
    while len(times) < LEAST_ROUNDS or time.perf_counter() - began < seconds:
        times.append(tuple(_timed(session, batch) for session in sessions))
    taken = np.array(times) * 1e3
    float_ms, int8_ms = np.median(taken, axis=0)
    ratio = float(np.median(taken[:, 1] / taken[:, 0]))
    return Race(float(float_ms), float(int8_ms), ratio, len(taken))


def _timed(session: Session, batch: NDArray[Any]) -> float:
    session.run(batch)  # the other file has just had the caches
    began = time.perf_counter()
    session.run(batch)
    return time.perf_counter() - began
