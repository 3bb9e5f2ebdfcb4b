"""The INA3221 power monitors of NVIDIA Jetson boards, through hwmon or the older iio driver."""

from __future__ import annotations

from collections.abc import Callable

from litepose_edge.measure.energy.accumulate import PowerIntegral
from litepose_edge.measure.energy.hwmon import from_volts
from litepose_edge.measure.energy.meter import FoundMeters, MeterInfo, MissingMeter
from litepose_edge.measure.energy.sampled import SampledMeter
from litepose_edge.measure.machine.sysfs import Sysfs

HWMON = "sys/class/hwmon"
IIO = "sys/bus/i2c/drivers/ina3221x/*/iio:device*"
# Names under which boards show the supply of the whole module.
TOTALS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0", "SYS_VIN_HV", "CV_IN")
WHOLE = {"VDD_IN", "POM_5V_IN"}
UNCERTAINTY = "gain error up to 0.25 %, besides the shunt resistor's tolerance, commonly 1 %"


def find(sysfs: Sysfs) -> FoundMeters:
    """One meter a rail, the supply of the whole module first."""
    rails = [*_from_hwmon(sysfs), *_from_iio(sysfs)]
    if not rails:
        return FoundMeters(
            missing=(MissingMeter("ina3221", "no INA3221 in hwmon or iio: no Jetson board"),)
        )
    rails.sort(key=lambda rail: TOTALS.index(rail[0]) if rail[0] in TOTALS else len(TOTALS))
    return FoundMeters(tuple(_meter(label, read) for label, read in rails))


def _from_hwmon(sysfs: Sysfs) -> list[tuple[str, Callable[[], float]]]:
    rails = []
    for folder in sysfs.matching(f"{HWMON}/hwmon*"):
        if sysfs.optional(f"{folder}/name") != "ina3221":
            continue
        # Channels 4 to 7 are the shunts' own voltages and sums.
        for channel in (1, 2, 3):
            volts, amperes = f"{folder}/in{channel}_input", f"{folder}/curr{channel}_input"
            enabled = sysfs.optional(f"{folder}/in{channel}_enable") != "0"
            if enabled and sysfs.exists(volts) and sysfs.exists(amperes):
                label = sysfs.optional(f"{folder}/in{channel}_label") or f"channel {channel}"
                rails.append((label, from_volts(sysfs, volts, amperes)))
    return rails


def _from_iio(sysfs: Sysfs) -> list[tuple[str, Callable[[], float]]]:
    rails = []
    for path in sysfs.matching(f"{IIO}/in_power*_input"):
        folder, _, file = path.rpartition("/")
        channel = file.removeprefix("in_power").removesuffix("_input")
        label = sysfs.optional(f"{folder}/rail_name_{channel}") or f"channel {channel}"
        rails.append((label, _from_milliwatts(sysfs, path)))
    return rails


def _from_milliwatts(sysfs: Sysfs, path: str) -> Callable[[], float]:
    return lambda: sysfs.number(path) / 1e3


def _meter(label: str, read: Callable[[], float]) -> SampledMeter:
    if label in WHOLE:
        domain = "supply of the whole module, the other rails included; not the carrier board"
    else:
        domain = f"rail {label}; part of the module's supply where that is measured"
    about = MeterInfo(
        f"ina3221:{label}",
        "measured",
        domain,
        "8 mV and 40 uV over the shunt; read every 100 ms",
        UNCERTAINTY,
    )
    return SampledMeter(about, read, PowerIntegral)
