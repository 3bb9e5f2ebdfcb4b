"""A machine's present state: load, frequencies, temperatures, and what throttles it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from litepose_edge.measure.machine.description import CPU, Machine
from litepose_edge.measure.machine.sysfs import Sysfs

# What a Raspberry Pi's `get_throttled` bits mean; those 16 higher say that it happened before.
PI_FLAGS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """What may change; recorded before and after.

    Attributes:
        load: Processes that ran or waited in the last minute; None where unknown.
        frequency_mhz: Of each processor; empty where unknown.
        temperature_c: By sensor; empty where there is none to see.
        throttle: Signs of throttling: flags of a Pi, event counts of a PC; empty where the
            machine shows none.
    """

    load: float | None
    frequency_mhz: tuple[int, ...]
    temperature_c: dict[str, float]
    throttle: dict[str, int]


def observe_state(sysfs: Sysfs | None = None) -> MachineState:
    """The machine's present state, or that of the one whose files are given."""
    files = sysfs or Sysfs()
    load = files.optional("proc/loadavg")
    return MachineState(
        load=float(load.split()[0]) if load else None,
        frequency_mhz=_frequencies(files),
        temperature_c=_temperatures(files),
        throttle=_throttle(files),
    )


def warnings(machine: Machine, before: MachineState, after: MachineState) -> list[str]:
    """What about the machine makes its figures doubtful, in full sentences."""
    found = []
    if any(governor not in ("performance", "schedutil") for governor in machine.governor):
        found.append(
            f"The frequency governor is {', '.join(machine.governor)}: set it to performance."
        )
    usable = len(machine.affinity) if machine.affinity is not None else machine.cpus
    if before.load is not None and before.load > 0.2 * usable:
        found.append(f"Other programs were running: load {before.load:.2f} before it began.")
    rose = [name for name, value in after.throttle.items() if value > before.throttle.get(name, 0)]
    if rose:
        found.append(f"The processor was throttled while it was measured: {', '.join(rose)}.")
    if machine.virtual:
        found.append("This is a virtual machine: neighbours may slow it unseen.")
    return found


def _frequencies(files: Sysfs) -> tuple[int, ...]:
    kilohertz = _numbers(files, f"{CPU}/cpu*/cpufreq/scaling_cur_freq")
    return tuple(value // 1000 for value in kilohertz.values())


def _temperatures(files: Sysfs) -> dict[str, float]:
    zones = _numbers(files, "sys/class/thermal/thermal_zone*/temp")
    named = {}
    for path, millidegrees in zones.items():
        folder = path.rpartition("/")[0]
        kind = files.optional(f"{folder}/type") or "zone"
        named[f"{kind} ({folder.rpartition('/')[2]})"] = millidegrees / 1000
    return named


def _throttle(files: Sysfs) -> dict[str, int]:
    counts = _numbers(files, f"{CPU}/cpu*/thermal_throttle/core_throttle_count")
    found = {"core throttle events": sum(counts.values())} if counts else {}
    if "Raspberry Pi" in (files.optional("proc/device-tree/model") or ""):
        found |= pi_flags(_get_throttled())
    return found


def pi_flags(answer: str) -> dict[str, int]:
    """The flags in `throttled=0x50005`, each 1 now, and with "since start" if it happened."""
    _, _, digits = answer.strip().partition("=0x")
    try:
        bits = int(digits, 16)
    except ValueError:
        return {}
    now = {name: bits >> bit & 1 for bit, name in PI_FLAGS.items()}
    past = {f"{name} since start": bits >> bit + 16 & 1 for bit, name in PI_FLAGS.items()}
    return now | past


def _get_throttled() -> str:
    if shutil.which("vcgencmd") is None:
        return ""
    try:
        done = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _numbers(files: Sysfs, pattern: str) -> dict[str, int]:
    """The integers in the files that match, without those that cannot be read."""
    found = {}
    for path in files.matching(pattern):
        try:
            found[path] = files.number(path)
        except (OSError, ValueError):
            continue
    return found
