"""Joules by a formula where no meter is: CPU seconds times watts, never called measured."""

from __future__ import annotations

import time
from collections.abc import Callable

from litepose_edge.measure.energy.meter import Energy, MeterInfo


class ModelledMeter:
    """Joules by a formula, for callers who ask for them and state the watts.

    Args:
        watts_per_core: What a busy core takes more than an idle one.
        cpu_s: CPU time so far, in seconds; this process's by default.
        clock: Seconds.
    """

    def __init__(
        self,
        watts_per_core: float,
        cpu_s: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watts, self._cpu_s, self._clock = watts_per_core, cpu_s, clock
        self._started = (0.0, 0.0)

    @property
    def about(self) -> MeterInfo:
        """What it computes."""
        return MeterInfo(
            "modelled",
            "modelled",
            f"CPU seconds of this process times {self._watts:g} W a core, as the user gave it; "
            "no memory, no board",
            "that of the CPU clock",
            "unknown: nothing was measured",
        )

    def start(self) -> None:
        """Begin a window."""
        self._started = (self._clock(), self._cpu_s())

    def stop(self) -> Energy:
        """End the window."""
        began, cpu_s = self._started
        return Energy((self._cpu_s() - cpu_s) * self._watts, self._clock() - began)
