"""The Raspberry Pi 5's power management chip, asked through `vcgencmd`."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

from litepose_edge.measure.energy.accumulate import PowerIntegral
from litepose_edge.measure.energy.meter import FoundMeters, MeterInfo, MissingMeter
from litepose_edge.measure.energy.sampled import SampledMeter
from litepose_edge.measure.machine.sysfs import Sysfs

MODEL = "proc/device-tree/model"
COMMAND = ("vcgencmd", "pmic_read_adc")
# `VDD_CORE_A current(7)=0.92871990A`; older firmware leaves out what is in the middle.
READING = re.compile(r"^\s*(?P<rail>\w+?)_(?P<unit>[AV])\b[^=]*=\s*(?P<value>[\d.]+)", re.MULTILINE)
# Each reading starts a process.
INTERVAL_S = 1.0
TIMEOUT_S = 5.0


def find(sysfs: Sysfs, run: Callable[[], str] | None = None) -> FoundMeters:
    """The one meter of a Pi 5.

    Args:
        sysfs: The machine.
        run: Gives the command's output; by default it is started.
    """
    model = sysfs.optional(MODEL) or ""
    if "Raspberry Pi" not in model:
        return _missing("not a Raspberry Pi")
    if "Pi 5" not in model and "Compute Module 5" not in model and "Pi 500" not in model:
        return _missing(f"{model} has no current sensors: use an external meter")
    if run is None:
        if shutil.which(COMMAND[0]) is None:
            return _missing("no vcgencmd: install raspi-utils, or libraspberrypi-bin")
        run = _vcgencmd
    ask = run
    try:
        watts(ask())
    except (OSError, ValueError) as exc:
        return _missing(f"{' '.join(COMMAND)} gave no reading: {exc}")
    about = MeterInfo(
        "pi5:pmic",
        "measured",
        "sum of the regulated rails of the power chip; without its own losses, USB, HATs and "
        "whatever else hangs on 5 V",
        "about 0.4 mA and 0.4 mV to 7 mV a rail; read every second, rails one after the other",
        "its maker publishes none; users found the input some 15 % higher",
    )
    return FoundMeters(
        (SampledMeter(about, lambda: watts(ask()), PowerIntegral, interval_s=INTERVAL_S),)
    )


def watts(report: str) -> float:
    """Volts times amperes, summed over the rails that have both.

    Raises:
        ValueError: No rail has both.
    """
    readings: dict[str, dict[str, float]] = {}
    for match in READING.finditer(report):
        readings.setdefault(match["rail"], {})[match["unit"]] = float(match["value"])
    rails = [rail["A"] * rail["V"] for rail in readings.values() if len(rail) == 2]
    if not rails:
        raise ValueError(f"no rail with current and voltage in {report.strip()[:60]!r}")
    return sum(rails)


def _vcgencmd() -> str:
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as exc:
        raise OSError(f"no answer within {TIMEOUT_S:.0f} s") from exc
    if done.returncode:
        raise OSError((done.stderr or done.stdout).strip() or f"exit code {done.returncode}")
    return done.stdout


def _missing(reason: str) -> FoundMeters:
    return FoundMeters(missing=(MissingMeter("pi5", reason),))
