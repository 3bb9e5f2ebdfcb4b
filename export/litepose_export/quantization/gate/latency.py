"""Times two model files on this machine, in turns, on one thread."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import onnx
from numpy.typing import NDArray

from litepose_edge.backends import Session, open_bytes
from litepose_edge.measure.timing import time_in_turns

LEAST_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class LatencyComparison:
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


def compare_latency(
    float_model: onnx.ModelProto,
    quantized: onnx.ModelProto,
    batch: NDArray[Any],
    seconds: float,
) -> LatencyComparison:
    """Run both in turns; each timed call follows an untimed one of the same file.

    Args:
        float_model: The float file.
        quantized: The INT8 file.
        batch: An input.
        seconds: At least so long, and at least `LEAST_ROUNDS` rounds.
    """
    first, second = (open_bytes(model.SerializeToString()) for model in (float_model, quantized))
    compared = compare_session_latency((first, second), batch, seconds)
    first.close()
    second.close()
    return compared


def compare_session_latency(
    sessions: tuple[Session, Session], batch: NDArray[Any], seconds: float
) -> LatencyComparison:
    """The same with files that are open already, in whichever engine: float first."""
    first, second = sessions
    times = time_in_turns(
        {"float": lambda: first.run(batch), "int8": lambda: second.run(batch)},
        rounds=LEAST_ROUNDS,
        seconds=seconds,
    )
    return LatencyComparison(
        float_ms=times.median_ms("float"),
        int8_ms=times.median_ms("int8"),
        ratio=times.median_ratio("int8", to="float"),
        rounds=times.rounds,
    )
