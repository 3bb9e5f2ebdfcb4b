"""Linux hwmon: power and energy sensors of boards and INA chips, found by their names."""

from __future__ import annotations

import re
from collections.abc import Callable

from litepose_edge.measure.energy.accumulate import EnergyCounter, PowerIntegral
from litepose_edge.measure.energy.meter import FoundMeters, MeterInfo, MissingMeter
from litepose_edge.measure.energy.sampled import SampledMeter
from litepose_edge.measure.machine.sysfs import Sysfs

FOLDER = "sys/class/hwmon"
SHUNT = "besides the tolerance of the board's shunt resistor, commonly 1 %"
# Uncertainty as the data sheets give it.
CHIPS = {
    "ina209": f"gain error up to 1 %, {SHUNT}",
    "ina219": f"gain error up to 1 %, {SHUNT}",
    "ina220": f"gain error up to 1 %, {SHUNT}",
    "ina226": f"gain error up to 0.1 %, {SHUNT}",
    "ina230": f"gain error up to 0.3 %, {SHUNT}",
    "ina231": f"gain error up to 0.5 %, {SHUNT}",
    "ina238": f"gain error up to 0.1 %, {SHUNT}",
    "ina260": "0.15 % typical, its resistor is built in",
}
OF_BATTERIES = "sys/class/power_supply"


def find(sysfs: Sysfs) -> FoundMeters:
    """One meter a power or energy channel of every chip but the INA3221 and batteries."""
    meters: list[SampledMeter] = []
    names: list[str] = []
    for folder in sysfs.matching(f"{FOLDER}/hwmon*"):
        name = sysfs.optional(f"{folder}/name") or "unnamed"
        # Both have readers that know more about them.
        if name == "ina3221" or sysfs.exists(f"{OF_BATTERIES}/{name}"):
            continue
        names.append(name)
        meters += _channels(sysfs, folder, name)
    if meters:
        return FoundMeters(tuple(meters))
    if not sysfs.exists(FOLDER):
        reason = f"no /{FOLDER}: not Linux, or a virtual machine"
    else:
        there = f"there are: {', '.join(names)}" if names else "there are none"
        reason = f"no chip in /{FOLDER} measures power ({there})"
    return FoundMeters(missing=(MissingMeter("hwmon", reason),))


def _channels(sysfs: Sysfs, folder: str, name: str) -> list[SampledMeter]:
    meters = []
    for path in sysfs.matching(f"{folder}/energy*_input"):
        label = sysfs.optional(path.replace("_input", "_label")) or _channel(path)
        # One counter a core as well, hundreds of them.
        if name == "amd_energy" and not label.startswith("Esocket"):
            continue
        meters.append(_counter(sysfs, path, name, label))
    powers = sysfs.matching(f"{folder}/power*_input") or sysfs.matching(f"{folder}/power*_average")
    for path in powers:
        label = sysfs.optional(re.sub("_(input|average)$", "_label", path)) or _channel(path)
        meters.append(_power(name, label, _from_power(sysfs, path)))
    if not powers and name.startswith("ina"):
        for path in sysfs.matching(f"{folder}/curr*_input"):
            volts = path.replace("/curr", "/in")
            if sysfs.exists(volts):
                label = sysfs.optional(volts.replace("_input", "_label")) or _channel(path)
                meters.append(_power(name, label, from_volts(sysfs, volts, path)))
    return meters


def from_volts(sysfs: Sysfs, volts: str, amperes: str) -> Callable[[], float]:
    """Reads watts as the product of a file in mV and one in mA."""
    return lambda: sysfs.number(volts) * sysfs.number(amperes) / 1e6


def _from_power(sysfs: Sysfs, path: str) -> Callable[[], float]:
    return lambda: sysfs.number(path) / 1e6


def _power(name: str, label: str, read: Callable[[], float]) -> SampledMeter:
    about = MeterInfo(
        f"hwmon:{name}:{label}",
        "measured",
        f"what the board's maker put behind {name} channel '{label}'",
        "power, read every 100 ms",
        CHIPS.get(name, "not stated by the driver"),
    )
    return SampledMeter(about, read, PowerIntegral)


def _counter(sysfs: Sysfs, path: str, name: str, label: str) -> SampledMeter:
    about = MeterInfo(
        f"hwmon:{name}:{label}",
        "measured",
        f"what the driver {name} counts as '{label}'",
        "energy counter in microjoules",
        CHIPS.get(name, "not stated by the driver"),
    )
    return SampledMeter(about, lambda: sysfs.number(path) / 1e6, lambda: EnergyCounter(None))


def _channel(path: str) -> str:
    return path.rpartition("/")[2].partition("_")[0]
