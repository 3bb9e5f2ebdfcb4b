"""The processes that train one network together, as `torchrun` starts them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from litepose_export.errors import ExportError

# One process looks at all photographs with the teachers, or scores a checkpoint, while the others
# wait. A process that dies is noticed at once: its connections close.
LONGEST_WAIT = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Processes:
    """The place of this process among those that train together.

    Attributes:
        rank: Its number; 0 writes checkpoints, scores them and reports.
        count: How many there are.
        local_rank: Its number on this machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Samples of a batch that each process takes.

        Raises:
            ExportError: They cannot share it alike.
        """
        if batch % self.count:
            raise ExportError(
                f"a batch of {batch} cannot be shared alike by {self.count} processes: "
                f"give --batch-size a multiple of {self.count}"
            )
        return batch // self.count

    def seed(self, seed: int) -> int:
        """A seed for this process's own random samples; the given one where it is alone."""
        if self.count == 1:
            return seed
        return int(np.random.SeedSequence([seed, self.rank]).generate_state(1)[0])

    def agreed(self, value: float) -> float:
        """The first process's value, in all of them."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, src=0)
        return float(shared)

    def handed_out(self, value: Any) -> Any:
        """The first process's object, in all of them."""
        if self.count == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    @contextmanager
    def one_at_a_machine_ahead(self) -> Iterator[None]:
        """A block that a machine's first process runs through before its others begin it."""
        if self.count > 1 and self.local_rank > 0:
            dist.barrier()
        yield
        if self.count > 1 and self.local_rank == 0:
            dist.barrier()


ALONE = Processes()


def join_processes(device: str) -> Processes:
    """Meet the other processes that `torchrun` started; `ALONE` where it started none.

    Args:
        device: `"cpu"` meets over gloo, `"cuda"` over gloo and NCCL, each process with the device
            of its number on the machine.

    Raises:
        ExportError: PyTorch was built without what this needs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    if not dist.is_available():
        raise ExportError("this PyTorch was built without torch.distributed: train in one process")
    place = Processes(int(os.environ["RANK"]), count, int(os.environ.get("LOCAL_RANK", "0")))
    if device == "cuda":
        torch.cuda.set_device(place.local_rank)
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=LONGEST_WAIT)
        atexit.register(leave_processes)
    return place


def leave_processes() -> None:
    """Part from the other processes, if any were met."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
