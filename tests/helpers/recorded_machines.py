"""Machines as the files that Linux shows of them, laid out in a test's folder."""

from __future__ import annotations

from litepose_edge.measure.machine.processor import describe_processor
from litepose_edge.measure.machine.sysfs import Sysfs

X86 = "processor\t: 0\nmodel name\t: Fast CPU\nflags\t\t: fpu avx2 avx512f avx512_vnni hypervisor\n"
OLD_X86 = "processor\t: 0\nmodel name\t: Old CPU\nflags\t\t: fpu avx2\n"
CORE = (
    "processor\t: {}\nFeatures\t: fp asimd {}\nCPU implementer\t: {}\nCPU architecture: 8\n"
    "CPU part\t: {}\n\n"
)
RASPBERRY_PI_4 = "".join(CORE.format(i, "crc32", "0x41", "0xd08") for i in range(4))
ROCK_5 = "".join(CORE.format(i, "asimddp", "0x41", "0xd05" if i < 4 else "0xd0b") for i in range(8))


def recorded_files(root, files):
    """A machine with these files, by their paths."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{content}\n")
    return Sysfs(root)


def recorded_processor(root, text, architecture):
    """The processor that `/proc/cpuinfo` with this text describes."""
    return describe_processor(recorded_files(root, {"proc/cpuinfo": text}), architecture)
