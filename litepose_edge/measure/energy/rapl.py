"""Linux powercap: the counters with which PC processors estimate their own energy (RAPL)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from litepose_edge.measure.energy.accumulate import EnergyCounter
from litepose_edge.measure.energy.meter import EnergyMeter, FoundMeters, MeterInfo, MissingMeter
from litepose_edge.measure.energy.sampled import SampledMeter, SumMeter
from litepose_edge.measure.machine.sysfs import Sysfs

FOLDER = "sys/class/powercap"
RESOLUTION = "counter, refreshed about every millisecond: windows of a second and more"
UNCERTAINTY = "its maker publishes none; compare figures of one machine only"
DOMAINS = {
    "core": "the cores alone, part of their package",
    "uncore": "graphics inside the processor, part of its package",
    "dram": "memory modules, outside the package",
    "psys": "the whole platform as the board's maker wired it, packages included",
}
PACKAGE = re.compile(r"package-\d+(-die-\d+)?")


@dataclass(frozen=True, slots=True)
class Zone:
    """One folder of powercap.

    Attributes:
        folder: Such as `sys/class/powercap/intel-rapl:0:1`.
        name: Such as `"dram"`.
    """

    folder: str
    name: str

    @property
    def address(self) -> tuple[str, ...]:
        """The folder's numbers: `("0", "1")`; a zone lies inside those it begins with."""
        return tuple(self.folder.rpartition("/")[2].split(":")[1:])


def find(sysfs: Sysfs) -> FoundMeters:
    """One meter a zone, and one for all packages where there are several."""
    # intel-rapl-mmio shows the same packages by another route.
    folders = sysfs.matching(f"{FOLDER}/intel-rapl:*")
    if not folders:
        return FoundMeters(missing=(MissingMeter("rapl", _absent(sysfs)),))
    zones, missing = [], []
    for folder in folders:
        zone = Zone(folder, sysfs.optional(f"{folder}/name") or "unnamed")
        try:
            sysfs.number(f"{folder}/energy_uj")
        except PermissionError:
            missing.append(MissingMeter(f"rapl:{zone.name}", _forbidden(folder)))
        except (OSError, ValueError) as exc:
            missing.append(MissingMeter(f"rapl:{zone.name}", f"the counter cannot be read: {exc}"))
        else:
            zones.append(zone)
    meters: list[EnergyMeter] = [_meter(sysfs, zone, zones) for zone in zones]
    packages = [i for i, zone in enumerate(zones) if PACKAGE.fullmatch(zone.name)]
    if len(packages) > 1:
        about = _about(
            "rapl:packages",
            f"all {len(packages)} processor packages, whose counters do not overlap",
        )
        meters.insert(0, SumMeter(about, [_meter(sysfs, zones[i], zones) for i in packages]))
    order = sorted(meters, key=lambda meter: _rank(meter.about.name))
    return FoundMeters(tuple(order), tuple(missing))


def overlap(first: Zone, second: Zone) -> bool:
    """Whether some energy is counted in both zones."""
    if "psys" in (first.name, second.name):
        return True
    shorter, longer = sorted((first, second), key=lambda zone: len(zone.address))
    inside = longer.address[: len(shorter.address)] == shorter.address
    return inside and (longer == shorter or longer.name != "dram")


def _meter(sysfs: Sysfs, zone: Zone, zones: list[Zone]) -> SampledMeter:
    range_uj = sysfs.optional(f"{zone.folder}/max_energy_range_uj")
    range_j = int(range_uj) / 1e6 if range_uj and range_uj.isdigit() else None
    shared = [other.name for other in zones if other != zone and overlap(zone, other)]
    if PACKAGE.fullmatch(zone.name):
        domain = f"processor {zone.name}: cores, caches, memory controller; not memory or board"
    else:
        domain = DOMAINS.get(zone.name, "not described by the driver")
    if shared:
        domain += f"; overlaps with {', '.join(sorted(set(shared)))}"
    return SampledMeter(
        _about(_name(zone, zones), domain),
        lambda: sysfs.number(f"{zone.folder}/energy_uj") / 1e6,
        lambda: EnergyCounter(range_j),
    )


def _name(zone: Zone, zones: list[Zone]) -> str:
    """The zone's own name, with its address where another zone has the same."""
    alike = [other for other in zones if other.name == zone.name]
    suffix = f"@{':'.join(zone.address)}" if len(alike) > 1 else ""
    return f"rapl:{zone.name}{suffix}"


def _about(name: str, domain: str) -> MeterInfo:
    return MeterInfo(name, "measured", domain, RESOLUTION, UNCERTAINTY)


def _rank(name: str) -> int:
    """Packages first: psys is there more often than it is right."""
    for rank, prefix in enumerate(("rapl:packages", "rapl:package", "rapl:psys")):
        if name.startswith(prefix):
            return rank
    return 3


def _absent(sysfs: Sysfs) -> str:
    if not sysfs.exists(FOLDER):
        return (
            f"no /{FOLDER}: not a PC under Linux, a virtual machine, or a kernel without "
            "intel_rapl_msr"
        )
    return f"no intel-rapl zone in /{FOLDER}: try `modprobe intel_rapl_msr`"


def _forbidden(folder: str) -> str:
    return (
        f"/{folder}/energy_uj may be read by root alone (since CVE-2020-8694): run as root, or "
        f"`sudo chmod a+r /{folder}/energy_uj` until the next start"
    )
