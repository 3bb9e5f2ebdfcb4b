"""How many processors this process may use: affinity and the quota of its control groups."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from litepose_edge.measure.energy.sysfs import Sysfs

CGROUPS = "sys/fs/cgroup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What this process may use of the processors.

    Attributes:
        cpus: Processors the system has.
        affinity: Those it may run on; None where that cannot be known.
        quota: As many processors' time a second as its control groups allow; None for no limit.
    """

    cpus: int
    affinity: tuple[int, ...] | None
    quota: float | None

    @property
    def usable(self) -> int:
        """Threads that can work at once, at least 1."""
        cpus = len(self.affinity) if self.affinity is not None else self.cpus
        return max(1, cpus if self.quota is None else min(cpus, math.ceil(self.quota)))


def describe_limits(files: Sysfs | None = None) -> Limits:
    """The limits of this process, or those in the files given."""
    return Limits(
        cpus=os.cpu_count() or 1,
        affinity=affinity(),
        quota=cgroup_quota(files or Sysfs()),
    )


def cgroup_quota(files: Sysfs) -> float | None:
    """The smallest quota of the process's control groups, in processors; None for no limit.

    A group shares what its parents may use, so all of them count.
    """
    quotas = []
    for line in (files.optional("proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for place in _with_parents(path):
            if number == "0" and not controllers:
                quotas.append(_second_version(files.optional(f"{CGROUPS}/{place}cpu.max")))
            elif "cpu" in controllers.split(","):
                quotas.append(_first_version(files, f"{CGROUPS}/{controllers}/{place}"))
                quotas.append(_first_version(files, f"{CGROUPS}/cpu/{place}"))
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


def _first_version(files: Sysfs, folder: str) -> float | None:
    quota = files.optional(f"{folder}cpu.cfs_quota_us")
    period = files.optional(f"{folder}cpu.cfs_period_us")
    return _ratio(quota or "", period or "")


def _ratio(quota: str, period: str) -> float | None:
    try:
        allowed, every = int(quota), int(period)
    except ValueError:  # "max": no limit
        return None
    return allowed / every if allowed > 0 and every > 0 else None
