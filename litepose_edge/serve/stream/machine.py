"""CPU time, memory and temperature of the board while it serves."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from litepose_edge.measure.machine.sysfs import Sysfs

ZONES = "sys/class/thermal/thermal_zone*/temp"
# What a sensor that is not there says is far outside.
POSSIBLE_C = (-40.0, 150.0)


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read; None where this system does not say.

    Attributes:
        cpu_percent: Of one processor, by this process, since the reading before; two busy
            processors are 200.
        memory_mb: Resident memory of this process, in millions of bytes.
        temperature_c: Of the hottest sensor.
    """

    cpu_percent: float | None = None
    memory_mb: float | None = None
    temperature_c: float | None = None


class MachineReader:
    """Reads them; keep one, since CPU time is counted from reading to reading.

    Args:
        files: `/sys` and `/proc`.
    """

    def __init__(self, files: Sysfs | None = None) -> None:
        self._files = files or Sysfs()
        self._cpu_s, self._at_s = time.process_time(), time.monotonic()

    def read(self) -> Readings:
        """The readings now."""
        cpu_s, at_s = time.process_time(), time.monotonic()
        spent, passed = cpu_s - self._cpu_s, at_s - self._at_s
        self._cpu_s, self._at_s = cpu_s, at_s
        return Readings(
            cpu_percent=100 * spent / passed if passed > 0 else None,
            memory_mb=self._memory_mb(),
            temperature_c=self._temperature_c(),
        )

    def _memory_mb(self) -> float | None:
        pages = (self._files.optional("proc/self/statm") or "").split()
        if len(pages) < 2 or not hasattr(os, "sysconf"):
            return None
        return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _temperature_c(self) -> float | None:
        found = []
        for path in self._files.matching(ZONES):
            try:
                found.append(self._files.number(path) / 1000)
            except (OSError, ValueError):  # a sensor that is switched off
                continue
        return max((t for t in found if POSSIBLE_C[0] <= t <= POSSIBLE_C[1]), default=None)
