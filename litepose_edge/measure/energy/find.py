"""Lists the energy meters of a machine, and why the other kinds cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from litepose_edge.measure.energy import battery, hwmon, ina3221, pi5, rapl
from litepose_edge.measure.energy.meter import FoundMeters
from litepose_edge.measure.machine.sysfs import Sysfs


def find_meters(
    root: Path = Path("/"),
    *,
    sysfs: Sysfs | None = None,
    ask_pi: Callable[[], str] | None = None,
) -> FoundMeters:
    """Look for every kind of meter, those that cover most of a machine first.

    Args:
        root: Where `/sys` and `/proc` lie; another folder for a recorded tree.
        sysfs: Used instead of `root`.
        ask_pi: Gives the output of `vcgencmd pmic_read_adc`; by default it is run on a Pi 5.
    """
    machine = sysfs or Sysfs(root)
    found = ina3221.find(machine)
    found += pi5.find(machine, ask_pi)
    found += rapl.find(machine)
    found += hwmon.find(machine)
    return found + battery.find(machine)
