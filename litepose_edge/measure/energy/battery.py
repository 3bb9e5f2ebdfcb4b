"""A battery's own reading of what is drawn from it, while nothing charges it."""

from __future__ import annotations

from collections.abc import Callable

from litepose_edge.measure.energy.accumulate import PowerIntegral
from litepose_edge.measure.energy.meter import EnergyMeter, FoundMeters, MeterInfo, MissingMeter
from litepose_edge.measure.energy.sampled import SampledMeter
from litepose_edge.measure.machine.sysfs import Sysfs

FOLDER = "sys/class/power_supply"
# Batteries refresh every few seconds at most.
INTERVAL_S = 1.0


def find(sysfs: Sysfs) -> FoundMeters:
    """One meter a battery that is being discharged."""
    meters: list[EnergyMeter] = []
    missing: list[MissingMeter] = []
    for folder in sysfs.matching(f"{FOLDER}/*"):
        # Also a wireless mouse is listed as a battery.
        if sysfs.optional(f"{folder}/type") != "Battery" or _of_device(sysfs, folder):
            continue
        name = f"battery:{folder.rpartition('/')[2]}"
        try:
            reader(sysfs, folder)()
        except (OSError, ValueError) as exc:
            missing.append(MissingMeter(name, str(exc)))
        else:
            meters.append(_meter(sysfs, folder, name))
    if not meters and not missing:
        missing.append(MissingMeter("battery", "this machine has no battery"))
    return FoundMeters(tuple(meters), tuple(missing))


def reader(sysfs: Sysfs, folder: str) -> Callable[[], float]:
    """Reads watts drawn; ValueError while on mains, OSError where the battery gives no reading."""

    def read() -> float:
        status = sysfs.text(f"{folder}/status")
        if status != "Discharging":
            raise ValueError(f"the battery is '{status}': pull the plug to measure by it")
        if sysfs.exists(f"{folder}/power_now"):
            return abs(sysfs.number(f"{folder}/power_now")) / 1e6
        # Its sign tells the direction in some drivers.
        amperes = abs(sysfs.number(f"{folder}/current_now")) / 1e6
        return amperes * sysfs.number(f"{folder}/voltage_now") / 1e6

    return read


def _of_device(sysfs: Sysfs, folder: str) -> bool:
    return sysfs.optional(f"{folder}/scope") == "Device"


def _meter(sysfs: Sysfs, folder: str, name: str) -> SampledMeter:
    about = MeterInfo(
        name,
        "measured",
        "everything the battery feeds: the whole machine, its screen included",
        "refreshed every few seconds at most: windows of a minute and more",
        "not stated; several per cent are common",
    )
    return SampledMeter(about, reader(sysfs, folder), PowerIntegral, interval_s=INTERVAL_S)
