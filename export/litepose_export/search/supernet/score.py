"""Scores a sub-network with the weights it has in the supernet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from litepose_edge.geometry import Size
from litepose_export.models.checkpoints import read_checkpoint
from litepose_export.search.space import Genes, Space
from litepose_export.search.supernet.recalibration import recalibrate
from litepose_export.search.supernet.sharing import sub_network
from litepose_export.search.supernet.tasks import Task
from litepose_export.training.core.loop import Evaluate
from litepose_export.training.core.normalization import normalise

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


class Scorer:
    """What networks of a task are scored on; drawn once for each input size.

    Args:
        how: What is scored and how.
    """

    def __init__(self, how: MakeSupernetScore) -> None:
        self._how = how
        self._evaluate: dict[Size, Evaluate] = {}
        self._held_out: dict[Size, list[Any]] = {}
        self._crops: dict[Size, list[Tensor]] = {}

    def score(self, network: nn.Module, size: Size) -> float:
        """More is better.

        Args:
            network: Ready to run.
            size: Of its input.
        """
        if self._how.kind == "loss":
            return -self._loss(network, size)
        if size not in self._evaluate:
            self._evaluate[size] = self._how.task.evaluate(size)
        return self._evaluate[size](network)["ap"]

    def images(self, size: Size) -> Iterator[Tensor]:
        """Batches `(N, 3, H, W)` as in training, for the statistics of normalisations."""
        if size not in self._crops:
            task = self._how.task
            sampler, sources = task.sampler((self._how.seed, 1)), task.sources()
            shares = (1 / sources,) * sources
            self._crops[size] = [
                sampler.draw(RECALIBRATION_IMAGES, size, shares).crops
                for _ in range(RECALIBRATION_BATCHES)
            ]
        return (normalise(crops) for crops in self._crops[size])

    @torch.no_grad()
    def _loss(self, network: nn.Module, size: Size) -> float:
        if size not in self._held_out:
            sampler = self._how.task.held_out((self._how.seed, 2))
            self._held_out[size] = [
                sampler.draw(LOSS_SAMPLES, size, (1.0,)) for _ in range(LOSS_BATCHES)
            ]
        loss = self._how.task.loss()
        network.eval()
        losses = [float(loss(network, batch)) for batch in self._held_out[size]]
        return sum(losses) / len(losses)


class SupernetScore:
    """Scores sub-networks with their part of a supernet's weights.

    Args:
        how: What is scored and how.
    """

    def __init__(self, how: MakeSupernetScore) -> None:
        self._space = how.space
        self._full = read_checkpoint(how.checkpoint, "cpu")["average"]
        self._scorer = Scorer(how)

    def __call__(self, genes: Genes) -> float:
        """More is better."""
        return self._scorer.score(self.network(genes), self._space.input_size(genes))

    def network(self, genes: Genes) -> nn.Module:
        """A sub-network with its part of the weights and statistics of its own."""
        network = sub_network(self._space, genes, self._full)
        recalibrate(network, self._scorer.images(self._space.input_size(genes)))
        return network
