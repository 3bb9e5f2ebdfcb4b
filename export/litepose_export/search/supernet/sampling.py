"""Which sub-networks learn at a step: drawn from its number, so that a run repeats exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from litepose_export.search.space import Genes, Space

SIZE = "input_size"  # the choice that is the same for a whole batch


@dataclass(frozen=True, slots=True)
class SubNetworks:
    """Draws the sub-networks of a step.

    Attributes:
        space: Where from.
        steps: Of the whole training.
        seed: Of what is drawn.
        sandwich: The largest, the smallest and `drawn` others, instead of these alone
            (Yu and Huang, arXiv 1903.05134).
        drawn: Random ones a step; one, as published, unless told otherwise.
        shrinking: At first only the largest; smaller options open one after the other over the
            first `SHRINKING` of the steps (Cai et al., arXiv 1908.09791).
    """

    space: Space
    steps: int
    seed: int
    sandwich: bool = False
    drawn: int = 1
    shrinking: bool = False

    def at(self, step: int, size: int | None = None) -> list[Genes]:
        """The step's, the largest first.

        Args:
            step: Counted from 0.
            size: The option of `input_size` that the batch has; None where that is no choice.
        """
        rng = np.random.default_rng((self.seed, step))
        chosen = [self._draw(rng, step) for _ in range(self.drawn)]
        if self.sandwich:
            chosen = [self.space.largest, self._least(step), *chosen]
        unique = dict.fromkeys(self._at_size(genes, size) for genes in chosen)
        return list(unique)

    def _open(self, step: int) -> float:
        """Part of the smaller options that are open."""
        if not self.shrinking:
            return 1.0
        return min(1.0, max(0.0, (step / max(self.steps, 1) - ALONE) / (SHRINKING - ALONE)))

    def _lowest(self, step: int) -> Genes:
        """The smallest option of each choice that is open; of the input sizes all are."""
        part = self._open(step)
        return tuple(
            0
            if choice.name == SIZE
            else len(choice.options) - 1 - math.ceil(part * (len(choice.options) - 1))
            for choice in self.space.choices
        )

    def _least(self, step: int) -> Genes:
        return self.space.canonical(self._lowest(step))

    def _draw(self, rng: np.random.Generator, step: int) -> Genes:
        lowest = self._lowest(step)
        return self.space.canonical(
            tuple(
                int(rng.integers(low, len(choice.options)))
                for low, choice in zip(lowest, self.space.choices, strict=True)
            )
        )

    def _at_size(self, genes: Genes, size: int | None) -> Genes:
        if size is None:
            return genes
        names = [choice.name for choice in self.space.choices]
        place = names.index(SIZE)
        return (*genes[:place], size, *genes[place + 1 :])


# Parts of a training with gradual shrinking: the largest alone, and until all options are open.
ALONE, SHRINKING = 0.25, 0.75
