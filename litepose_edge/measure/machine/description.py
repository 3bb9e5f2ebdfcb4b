"""What does not change about a machine: processor, board, system, versions of packages."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass

from litepose_edge.measure.machine.opencv import opencv_packages
from litepose_edge.measure.machine.processor import describe_processor
from litepose_edge.measure.machine.revision import revision
from litepose_edge.measure.machine.sysfs import Sysfs
from litepose_edge.threads import affinity

PACKAGES = ("litepose-edge", "numpy", "onnxruntime", "openvino")
CPU = "sys/devices/system/cpu"
ISA_FLAGS = ("avx2", "avx_vnni", "avx512_vnni", "avx512f", "amx_int8", "asimddp", "i8mm", "sve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What does not change while it is measured.

    Attributes:
        cpu: The processor's name.
        board: The board's name, where it has one.
        system: Operating system and kernel.
        cpus: Processors the system has.
        affinity: Those this process may run on; None where that cannot be known.
        virtual: Whether a hypervisor is below; None where that cannot be known.
        isa: Instructions that decide how INT8 is computed.
        governor: Frequency governors in use; empty where there is none to see.
        python: Version.
        packages: Versions; None for what is not installed.
        revision: Commit of this package, where it is a checkout.
    """

    cpu: str
    board: str | None
    system: str
    cpus: int
    affinity: tuple[int, ...] | None
    virtual: bool | None
    isa: tuple[str, ...]
    governor: tuple[str, ...]
    python: str
    packages: dict[str, str | None]
    revision: str | None = None


def describe_machine(sysfs: Sysfs | None = None) -> Machine:
    """The machine this runs on, or the one whose files are given."""
    files = sysfs or Sysfs()
    cpuinfo = _cpuinfo(files)
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    governors = {
        files.optional(path) or ""
        for path in files.matching(f"{CPU}/cpu*/cpufreq/scaling_governor")
    }
    return Machine(
        cpu=describe_processor(files).name,
        board=files.optional("proc/device-tree/model"),
        system=platform.platform(),
        cpus=os.cpu_count() or 1,
        affinity=affinity(),
        virtual="hypervisor" in flags if "flags" in cpuinfo else None,
        isa=tuple(flag for flag in ISA_FLAGS if flag in flags),
        governor=tuple(sorted(governors - {""})),
        python=platform.python_version(),
        packages={**{name: _version(name) for name in PACKAGES}, **opencv_packages()},
        revision=revision(),
    )


def _cpuinfo(files: Sysfs) -> dict[str, str]:
    """The first processor's entries."""
    entries: dict[str, str] = {}
    for line in (files.optional("proc/cpuinfo") or "").splitlines():
        key, mark, value = line.partition(":")
        if mark:
            entries.setdefault(key.strip(), value.strip())
    return entries


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
