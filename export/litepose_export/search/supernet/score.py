"""Scores a sub-network with the weights it has in the supernet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from litepose_edge.geometry import Size
from litepose_export.models.checkpoints import read_checkpoint
from litepose_export.search.space import Genes, Space
from litepose_export.search.supernet.recalibration import recalibrate
from litepose_export.search.supernet.sharing import sub_network
from litepose_export.search.supernet.tasks import Task, image_batches
from litepose_export.training.core.loop import Evaluate

ScoreKind = Literal["ap", "loss"]
SCORE_NAMES: dict[ScoreKind, str] = {"ap": "AP on dev", "loss": "negative loss on dev"}
RECALIBRATION_BATCHES, RECALIBRATION_IMAGES = 8, 32
LOSS_BATCHES, LOSS_SAMPLES = 6, 32


@dataclass(frozen=True, slots=True)
class MakeSupernetScore:
    """Makes the scorer, in whichever process.

    Attributes:
        space: Which networks there are.
        task: What was learned.
        checkpoint: Of the supernet.
        kind: `"ap"`, or `"loss"` where average precision is still too coarse to tell.
        seed: Of the images that statistics come from.
        threads: CPU threads of PyTorch, or None to leave them.
    """

    space: Space
    task: Task
    checkpoint: Path
    kind: ScoreKind = "ap"
    seed: int = 0
    threads: int | None = None

    def __call__(self) -> Callable[[Genes], float]:
        """The scorer."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return SupernetScore(self)


class SupernetScore:
    """Scores sub-networks; statistics and held-out samples are the same for all of one size.

    Args:
        how: What is scored and how.
    """

    def __init__(self, how: MakeSupernetScore) -> None:
        self._how = how
        self._full = read_checkpoint(how.checkpoint, "cpu")["average"]
        self._evaluate: dict[Size, Evaluate] = {}

    def __call__(self, genes: Genes) -> float:
        """More is better."""
        return score_network(self.network(genes), genes, self._how, self._evaluate)

    def network(self, genes: Genes) -> nn.Module:
        """A sub-network with its part of the weights and statistics of its own."""
        how = self._how
        network = sub_network(how.space, genes, self._full)
        size = how.space.input_size(genes)
        images = image_batches(
            how.task.sampler((how.seed, 1)),
            RECALIBRATION_IMAGES,
            size,
            RECALIBRATION_BATCHES,
            len(how.task.photographs.data),
        )
        recalibrate(network, images)
        return network


def score_network(
    network: nn.Module, genes: Genes, how: MakeSupernetScore, known: dict[Size, Evaluate]
) -> float:
    """The score of a network that is ready to run.

    Args:
        network: Any with these genes.
        genes: Which.
        how: What is scored and how.
        known: Evaluations by input size, filled as they are made.
    """
    size = how.space.input_size(genes)
    if how.kind == "ap":
        if size not in known:
            known[size] = how.task.evaluate(size)
        return known[size](network)["ap"]
    return -_held_out_loss(network, how.task, size, how.seed)


@torch.no_grad()
def _held_out_loss(network: nn.Module, task: Task, size: Size, seed: int) -> float:
    network.eval()
    sampler, loss = task.held_out((seed, 2)), task.loss()
    losses = [
        float(loss(network, sampler.draw(LOSS_SAMPLES, size, (1.0,)))) for _ in range(LOSS_BATCHES)
    ]
    return sum(losses) / len(losses)
