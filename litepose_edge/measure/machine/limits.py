"""The processors this process may use, as the doctor reports them."""

from __future__ import annotations

import os
from dataclasses import dataclass

from litepose_edge.measure.machine.sysfs import Sysfs
from litepose_edge.threads import affinity, cgroup_quota, within


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
        return within(cpus, self.quota)


def describe_limits(files: Sysfs | None = None) -> Limits:
    """The limits of this process, or those in the files given."""
    return Limits(
        cpus=os.cpu_count() or 1,
        affinity=affinity(),
        quota=cgroup_quota((files or Sysfs()).optional),
    )
