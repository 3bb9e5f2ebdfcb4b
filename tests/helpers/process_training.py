"""Trains a small network on given batches, alone or as one of several processes of `torchrun`.

    torchrun --nproc-per-node 2 process_training.py BATCHES.pt FOLDER,STEPS,STATISTICS ...

makes one run after the other, with `synchronized` or `per-process` statistics.

Everything is in float64, so that only what differs in kind shows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from litepose_edge.geometry import Size
from litepose_export.models.architectures.lrpose import LRPose
from litepose_export.training.core.loop import Budget, Trainer
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.distributed.processes import join_processes


def loss_of(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error of the maps."""
    images, targets = batch
    return ((network(images) - targets) ** 2).mean()


def run(batches_path: str | Path, folder: str | Path, steps: int, *, synchronized: bool) -> None:
    """One run; the first process leaves `last.pt` in the folder."""
    torch.manual_seed(0)
    processes = join_processes("cpu")
    images, targets = torch.load(batches_path)
    share = processes.share(images.shape[1])
    own = slice(processes.rank * share, (processes.rank + 1) * share)

    def batches(size: Size, shares: tuple[float, ...]) -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(trainer.step, 10**6):
            i = number % len(images)
            yield images[i, own], targets[i, own]

    trainer = Trainer(
        LRPose("n").double(),
        batches=batches,
        loss=loss_of,
        schedule=Schedule(
            phases=(Phase(1.0, Size(48, 64)),),
            batch=images.shape[1],
            warmup_steps=5,
            ema_decay=0.9,
            constant_rate_share=1.0,
        ),
        budget=Budget(steps=steps),
        folder=Path(folder),
        processes=processes,
        synchronized=synchronized,
    )
    trainer.resume()
    trainer.run(on_step=lambda progress: None)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for asked in sys.argv[2:]:
        folder, steps, statistics = asked.split(",")
        run(sys.argv[1], folder, int(steps), synchronized=statistics == "synchronized")
