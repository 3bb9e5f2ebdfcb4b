"""CPU threads: how many this process may use (affinity, control groups), and pools of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# More help no network, and a process of twenty thousand dies of them.
MAX_THREADS = 256
CGROUPS = "sys/fs/cgroup"
# A file's text by its path below the root, such as "proc/self/cgroup"; None where it is not there.
ReadFile = Callable[[str], str | None]


def available_threads() -> int:
    """Threads of this process that can work at once, at least 1."""
    cpus = affinity()
    count = len(cpus) if cpus is not None else os.cpu_count() or 1
    return min(within(count, cgroup_quota(read_system_file)), MAX_THREADS)


def most_threads() -> int:
    """So many threads may be asked for: four for each processor of the machine."""
    return min(4 * (os.cpu_count() or 1), MAX_THREADS)


def worker_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """A pool of so many threads, called `litepose-NAME`."""
    from concurrent.futures import ThreadPoolExecutor  # 7 ms, imported when needed

    return ThreadPoolExecutor(threads, f"litepose-{name}")


def within(cpus: int, quota: float | None) -> int:
    """Threads that can work at once on so many processors under a quota, at least 1."""
    return max(1, cpus if quota is None else min(cpus, math.ceil(quota)))


def cgroup_quota(read: ReadFile) -> float | None:
    """The smallest quota of the process's control groups, in processors; None for no limit.

    A group shares what its parents may use, so all of them count.
    """
    quotas = []
    for line in (read("proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for place in _with_parents(path):
            if number == "0" and not controllers:
                quotas.append(_second_version(read(f"{CGROUPS}/{place}cpu.max")))
            elif "cpu" in controllers.split(","):
                quotas.append(_first_version(read, f"{CGROUPS}/{controllers}/{place}"))
                quotas.append(_first_version(read, f"{CGROUPS}/cpu/{place}"))
    return min((quota for quota in quotas if quota is not None), default=None)


def affinity() -> tuple[int, ...] | None:
    """Processors this process may run on; None where that cannot be known."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return None


def _with_parents(path: str) -> list[str]:
    """A group and those around it, as prefixes of file names; the outermost is `""`."""
    # In a container the path may be that of the host, of which only the root is to be seen.
    group = PurePosixPath(path.strip("/"))
    return ["" if str(place) == "." else f"{place}/" for place in (group, *group.parents)]


def _second_version(text: str | None) -> float | None:
    """Processors in `cpu.max`, such as `"150000 100000"`."""
    quota, _, period = (text or "").partition(" ")
    return _ratio(quota, period)


def _first_version(read: ReadFile, folder: str) -> float | None:
    quota = read(f"{folder}cpu.cfs_quota_us")
    period = read(f"{folder}cpu.cfs_period_us")
    return _ratio(quota or "", period or "")


def _ratio(quota: str, period: str) -> float | None:
    try:
        allowed, every = int(quota), int(period)
    except ValueError:  # "max": no limit
        return None
    return allowed / every if allowed > 0 and every > 0 else None


def read_system_file(path: str) -> str | None:
    """A file's text by its path below the root, or None where it is not there."""
    try:
        return Path("/", path).read_text("utf-8", "replace")
    except OSError:
        return None
