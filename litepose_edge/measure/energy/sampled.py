"""Meters that must be read again and again during a window, in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from litepose_edge.measure.energy.accumulate import Accumulator
from litepose_edge.measure.energy.meter import Energy, EnergyMeter, MeterInfo

INTERVAL_S = 0.1


class SampledMeter:
    """A meter made of a function that reads and something that adds up.

    Args:
        about: What it measures.
        read: The present reading; OSError or ValueError spoil the window, not the program.
        accumulator: Makes what adds up one window's readings.
        interval_s: Time between readings. Counters are read as often: a wrap must not be missed.
        clock: Seconds.
    """

    def __init__(
        self,
        about: MeterInfo,
        read: Callable[[], float],
        accumulator: Callable[[], Accumulator],
        *,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._about, self._read, self._make = about, read, accumulator
        self._interval_s, self._clock = interval_s, clock
        self._total = accumulator()
        self._reason: str | None = None
        self._began_s = self._ended_s = 0.0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def about(self) -> MeterInfo:
        """What it measures and how well."""
        return self._about

    def start(self) -> None:
        """Begin a window."""
        assert self._thread is None, "one window at a time"
        self._total, self._reason = self._make(), None
        self._done = threading.Event()
        self._began_s = self._clock()
        self._sample()
        # A window lasts from its first reading to its last: joules and seconds belong together.
        self._began_s = self._ended_s
        self._thread = threading.Thread(target=self._keep_sampling, name="energy", daemon=True)
        self._thread.start()

    def stop(self) -> Energy:
        """End the window."""
        assert self._thread is not None, "start comes first"
        self._done.set()
        self._thread.join()
        self._thread = None
        self._sample()
        reason = self._reason or self._total.reason
        seconds = self._ended_s - self._began_s
        return Energy(None if reason else self._total.joules, seconds, reason)

    def _keep_sampling(self) -> None:
        while not self._done.wait(self._interval_s) and self._reason is None:
            self._sample()

    def _sample(self) -> None:
        if self._reason is not None:
            return
        try:
            value = self._read()
        except PermissionError as exc:
            self._reason = f"not permitted to read {exc.filename}"
        except (OSError, ValueError) as exc:
            self._reason = f"a reading failed: {exc}"
        self._ended_s = self._clock()
        if self._reason is None:
            self._total.add(self._ended_s, value)


class SumMeter:
    """Several meters whose domains do not overlap, as one.

    Args:
        about: What they measure together.
        parts: The meters.
    """

    def __init__(self, about: MeterInfo, parts: Sequence[EnergyMeter]) -> None:
        self._about, self._parts = about, parts

    @property
    def about(self) -> MeterInfo:
        """What it measures and how well."""
        return self._about

    def start(self) -> None:
        """Begin a window."""
        for part in self._parts:
            part.start()

    def stop(self) -> Energy:
        """End the window; one part without a figure leaves the whole without one."""
        windows = [part.stop() for part in self._parts]
        joules = [w.joules for w in windows if w.joules is not None]
        seconds = max(w.seconds for w in windows)
        reason = next((w.reason for w in windows if w.reason is not None), None)
        return Energy(None if reason else sum(joules), seconds, reason)
