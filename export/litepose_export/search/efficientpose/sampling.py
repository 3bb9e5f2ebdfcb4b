"""Which operators run in a step: uniform and fair, by probability, or two with Gumbel noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from litepose_export.search.efficientpose.mixed import Gate


class FairPaths:
    """Uniformly random networks in which every operator of a layer comes by equally often.

    Each layer deals its operators in random order and shuffles again when all have been dealt
    (strict fairness in expectation and within a deal, as in FairNAS, arXiv 1907.01845).

    Args:
        counts: Operators of each layer.
        rng: The random stream.
    """

    def __init__(self, counts: Sequence[int], rng: np.random.Generator) -> None:
        self._counts, self._rng = tuple(counts), rng
        self._left: list[list[int]] = [[] for _ in self._counts]

    def draw(self) -> tuple[int, ...]:
        """One operator for each layer."""
        for left, count in zip(self._left, self._counts, strict=True):
            if not left:
                left.extend(int(i) for i in self._rng.permutation(count))
        return tuple(left.pop() for left in self._left)


def draw_path(logits: Sequence[Tensor], rng: np.random.Generator) -> tuple[int, ...]:
    """One operator for each layer, with the probabilities that `softmax(logits)` gives."""
    return tuple(int(np.argmax(_noisy(layer, rng))) for layer in logits)


def gumbel_gates(
    logits: Sequence[Tensor], temperature: float, rng: np.random.Generator, branches: int = 2
) -> tuple[Gate, ...]:
    """A few operators for each layer, mixed by a Gumbel softmax: differentiable in the logits.

    The operators with the largest noisy logits are a sample without replacement from
    `softmax(logits)`; the softmax of their noisy logits over the temperature mixes them. Memory
    and time are those of `branches` networks, however many operators a layer has.

    Args:
        logits: `(operators,)` float for each layer.
        temperature: Above 0; towards 0 the larger of the noisy logits takes all.
        rng: The random stream.
        branches: How many operators run; a layer with fewer runs all it has.
    """
    gates = []
    for layer in logits:
        noisy = _noisy(layer, rng)
        chosen = np.argsort(-noisy, kind="stable")[:branches]
        noise = torch.from_numpy(noisy[chosen]).to(layer) - layer.detach()[chosen]
        weights = torch.softmax((layer[chosen] + noise) / temperature, dim=0)
        gates.append(Gate(tuple(int(i) for i in chosen), weights))
    return tuple(gates)


def _noisy(
    logits: Tensor, rng: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values: np.ndarray[tuple[int], np.dtype[np.float64]] = logits.detach().double().cpu().numpy()
    return values + rng.gumbel(size=values.shape)
