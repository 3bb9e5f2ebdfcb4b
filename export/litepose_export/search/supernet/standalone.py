"""Trains single networks of a space by themselves: what scores in a supernet are held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from litepose_edge.geometry import Size
from litepose_export.models.checkpoints import read_checkpoint
from litepose_export.search.costs.correction import kendall
from litepose_export.search.job import SearchDisplay
from litepose_export.search.space import Choice, Genes, Operator, Space
from litepose_export.search.supernet.score import MakeSupernetScore, Scorer, SupernetScore
from litepose_export.search.supernet.training import SupernetOptions, SupernetTraining


class SingleNetwork(Space):
    """The space of one network: its supernet is that network, trained as any other.

    Args:
        space: Which it is from.
        genes: Which it is.
    """

    def __init__(self, space: Space, genes: Genes) -> None:
        self.name, self.keypoints = space.name, space.keypoints
        values = space.decode(genes)
        self.choices = tuple(Choice(name, (value,)) for name, value in values.items())
        self._space, self._genes = space, genes

    def build(self, genes: Genes) -> nn.Module:
        """The network, new."""
        return self._space.build(self._genes)

    def input_size(self, genes: Genes) -> Size:
        """What it takes."""
        return self._space.input_size(self._genes)

    def operators(self, genes: Genes) -> tuple[Operator, ...]:
        """What it consists of."""
        return self._space.operators(self._genes)

    def all_operators(self) -> tuple[Operator, ...]:
        """The same."""
        return self._space.operators(self._genes)

    def architecture(self, genes: Genes) -> dict[str, Any]:
        """Its document."""
        return self._space.architecture(self._genes)


def train_alone(
    how: MakeSupernetScore,
    genes: Genes,
    steps: int,
    folder: Path,
    *,
    batch: int | None,
    seed: int,
    display: SearchDisplay,
) -> float:
    """The score of a network that was trained by itself from scratch; continued if it is there.

    Args:
        how: Space, task and kind of score.
        genes: Which network.
        steps: Of its training.
        folder: Of its checkpoint.
        batch: Samples a step, or None for the task's own.
        seed: Of weights and samples.
        display: Where progress goes.
    """
    training = SupernetTraining(
        space=SingleNetwork(how.space, genes),
        task=how.task,
        steps=steps,
        folder=folder,
        options=SupernetOptions(),
        seed=seed,
        batch=batch,
    )
    network = how.space.build(genes)
    network.load_state_dict(read_checkpoint(training.run(display), "cpu")["average"])
    return Scorer(how).score(network, how.space.input_size(genes))


@dataclass(frozen=True, slots=True)
class Ranking:
    """How inherited scores rank sub-networks against training each alone.

    Attributes:
        candidates: Which sub-networks.
        inherited: Their scores in the supernet.
        alone: Their scores when trained alone.
    """

    candidates: tuple[Genes, ...]
    inherited: tuple[float, ...]
    alone: tuple[float, ...]

    @property
    def rank_correlation(self) -> float:
        """Kendall's tau-b."""
        return kendall(self.inherited, self.alone)


def rank_supernet(
    how: MakeSupernetScore,
    candidates: Sequence[Genes],
    steps: int,
    folder: Path,
    *,
    batch: int | None,
    seed: int,
    display: SearchDisplay,
) -> Ranking:
    """Compare scores in the supernet with scores of networks that are trained alone, all alike.

    Args:
        how: Of the supernet.
        candidates: Sub-networks to compare on.
        steps: Of each training.
        folder: A folder for each of them is made in it.
        batch: Samples a step, or None for the task's own.
        seed: Of weights and samples.
        display: Where progress goes.
    """
    inherited = SupernetScore(replace(how, threads=None))
    return Ranking(
        tuple(candidates),
        tuple(inherited(genes) for genes in candidates),
        tuple(
            train_alone(how, genes, steps, folder / str(i), batch=batch, seed=seed, display=display)
            for i, genes in enumerate(candidates)
        ),
    )
