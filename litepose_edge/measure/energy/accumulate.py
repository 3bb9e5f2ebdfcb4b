"""Turns a series of readings into joules: counters that wrap, power that is integrated."""

from __future__ import annotations

from typing import Protocol

# No processor package, board or battery draws as much: a counter step that would need more is a
# reset, not a wrap.
PLAUSIBLE_W = 2000.0
# Counters are not refreshed at every reading: a step may be older than the time between two.
UPDATE_S = 0.1


class Accumulator(Protocol):
    """Adds up one window's readings."""

    @property
    def joules(self) -> float:
        """The energy so far."""

    @property
    def reason(self) -> str | None:
        """Why the window cannot be used; None while it can."""

    def add(self, time_s: float, value: float) -> None:
        """Take in a reading; the first one starts the window."""


class EnergyCounter:
    """Joules from a counter of joules that starts anywhere and may wrap.

    Args:
        range_j: Where it wraps; None if that is not known.
        plausible_w: A step of more watts than this was no wrap but a reset.
    """

    def __init__(self, range_j: float | None, plausible_w: float = PLAUSIBLE_W) -> None:
        self._range_j, self._plausible_w = range_j, plausible_w
        self._last: tuple[float, float] | None = None
        self.joules = 0.0
        self.reason: str | None = None

    def add(self, time_s: float, value: float) -> None:
        """Take in a reading in joules."""
        if self._last is not None:
            self._step(time_s - self._last[0], value - self._last[1])
        self._last = (time_s, value)

    def _step(self, seconds: float, joules: float) -> None:
        if self._range_j is not None and seconds * self._plausible_w > self._range_j:
            self.reason = (
                f"no reading for {seconds:.0f} s, in which the counter may have wrapped more than "
                "once"
            )
            return
        if joules < 0:
            if self._range_j is None:
                self.reason = "the counter went backwards: it was reset"
                return
            joules += self._range_j
            if joules < 0 or joules > self._plausible_w * max(seconds, UPDATE_S):
                self.reason = (
                    f"the counter went backwards by more than a wrap explains ({joules:.0f} J in "
                    f"{seconds:.2f} s): it was reset"
                )
                return
        self.joules += joules


class PowerIntegral:
    """Joules from samples of power, by the trapezoidal rule."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self.joules = 0.0
        self.reason: str | None = None

    def add(self, time_s: float, value: float) -> None:
        """Take in a reading in watts."""
        if self._last is not None:
            self.joules += (time_s - self._last[0]) * (value + self._last[1]) / 2
        self._last = (time_s, value)
