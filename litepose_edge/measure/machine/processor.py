"""The processor: its name, and the instructions that decide how INT8 is computed."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from litepose_edge.measure.machine.sysfs import Sysfs

# What Linux calls them. Products of 8-bit numbers: VNNI and AMX on x86, dot products and matrix
# products on ARM.
X86_FEATURES = {
    "avx2": "avx2",
    "avx512": "avx512f",
    "avx_vnni": "avx_vnni",
    "avx512_vnni": "avx512_vnni",
    "amx_int8": "amx_int8",
}
ARM_FEATURES = {"neon": "asimd", "dotprod": "asimddp", "i8mm": "i8mm", "sve": "sve"}
# What macOS calls them.
MAC_FEATURES = {
    "neon": "hw.optional.AdvSIMD",
    "dotprod": "hw.optional.arm.FEAT_DotProd",
    "i8mm": "hw.optional.arm.FEAT_I8MM",
    "avx2": "hw.optional.avx2_0",
    "avx512": "hw.optional.avx512f",
}
ARM_LTD = "0x41"
# Arm's own cores by the part number of their main ID register.
ARM_CORES = {
    0xD03: "Cortex-A53", 0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57",
    0xD08: "Cortex-A72", 0xD09: "Cortex-A73", 0xD0A: "Cortex-A75", 0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1", 0xD0D: "Cortex-A77", 0xD40: "Neoverse-V1", 0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE", 0xD44: "Cortex-X1", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710",
    0xD48: "Cortex-X2", 0xD49: "Neoverse-N2", 0xD4B: "Cortex-A78C", 0xD4D: "Cortex-A715",
    0xD4E: "Cortex-X3", 0xD4F: "Neoverse-V2", 0xD80: "Cortex-A520", 0xD81: "Cortex-A720",
    0xD82: "Cortex-X4",
}  # fmt: skip
Entries = list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """What the processor is.

    Attributes:
        name: Its maker's name for it; on ARM the kinds of cores.
        architecture: Such as `"x86_64"` or `"aarch64"`.
        features: Which of the instructions that matter it has; None where that cannot be known.
    """

    name: str
    architecture: str
    features: dict[str, bool] | None

    @property
    def is_arm(self) -> bool:
        """Whether it is a 64-bit ARM."""
        return self.architecture in ("aarch64", "arm64", "ARM64")


def describe_processor(
    files: Sysfs | None = None,
    architecture: str | None = None,
    ask_mac: Callable[[str], str | None] | None = None,
) -> Processor:
    """The processor this runs on, or the one whose files are given.

    Args:
        files: Where `/proc` lies.
        architecture: Such as `"aarch64"`; this machine's unless given.
        ask_mac: Gives the value of a `sysctl` name, or None; asked on macOS unless given.
    """
    kind = architecture or platform.machine()
    entries = _entries(files or Sysfs())
    if entries:
        name = entries[0].get("model name") or _arm_cores(entries) or entries[0].get("Hardware")
        return Processor(
            name=name or platform.processor() or kind,
            architecture=kind,
            features=_linux_features(kind, entries[0]),
        )
    ask = ask_mac or (_sysctl if sys.platform == "darwin" else lambda _: None)
    return Processor(
        name=ask("machdep.cpu.brand_string") or platform.processor() or kind,
        architecture=kind,
        features=_mac_features(ask),
    )


def _entries(files: Sysfs) -> Entries:
    """What `/proc/cpuinfo` says of each processor."""
    blocks: Entries = []
    for block in (files.optional("proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        entry = {key.strip(): value.strip() for key, mark, value in pairs if mark}
        if entry:
            blocks.append(entry)
    return blocks


def _arm_cores(entries: Entries) -> str | None:
    """Such as `"4 x Cortex-A55, 4 x Cortex-A76"`."""
    cores = Counter(
        _core_name(entry["CPU implementer"], entry["CPU part"])
        for entry in entries
        if "CPU implementer" in entry and "CPU part" in entry
    )
    return ", ".join(f"{count} x {name}" for name, count in cores.items()) or None


def _core_name(implementer: str, part: str) -> str:
    unknown = f"core {part} of implementer {implementer}"
    try:
        number = int(part, 16)
    except ValueError:
        return unknown
    return ARM_CORES.get(number, unknown) if implementer == ARM_LTD else unknown


def _linux_features(architecture: str, entry: dict[str, str]) -> dict[str, bool] | None:
    # An emulator shows the files of the machine below it: ARM has "Features", x86 has "flags".
    names, key = (
        (ARM_FEATURES, "Features")
        if architecture in ("aarch64", "arm64")
        else (X86_FEATURES, "flags")
    )
    if key not in entry:
        return None
    present = set(entry[key].split())
    return {name: flag in present for name, flag in names.items()}


def _mac_features(ask: Callable[[str], str | None]) -> dict[str, bool] | None:
    answers = {name: ask(key) for name, key in MAC_FEATURES.items()}
    known = {name: answer == "1" for name, answer in answers.items() if answer is not None}
    return known or None


def _sysctl(name: str) -> str | None:
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
