"""From the sum over a network's operators to what the whole network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Correction:
    """`factor * sum + each * operators + fixed`, fitted to whole networks by least squares.

    Alone, an operator finds its inputs in the cache and pays for a session; in a network its
    neighbours do. Relative errors are what is least.

    Attributes:
        factor: Of the sum.
        each: Added an operator.
        fixed: Added once.
        networks: How many it was fitted to; 0 for none, the sum as it is.
    """

    factor: float = 1.0
    each: float = 0.0
    fixed: float = 0.0
    networks: int = 0

    def apply(self, total: float, operators: int) -> float:
        """The cost of a network of so many operators with this sum."""
        return max(self.factor * total + self.each * operators + self.fixed, 0.0)


def fit(totals: Sequence[float], operators: Sequence[int], measured: Sequence[float]) -> Correction:
    """The correction with the least squared relative errors, drawn a little to none at all.

    Args:
        totals: Sums over the operators of each network.
        operators: How many each has.
        measured: What each takes as a whole.
    """
    if len(totals) == 0:
        return Correction()
    total, count, cost = (np.asarray(each, np.float64) for each in (totals, operators, measured))
    scale = cost.mean()
    per_operator = scale / count.mean()
    # Columns of like size, each row weighted by 1 / cost: relative errors.
    columns = np.stack([total, count * per_operator, np.full(len(cost), scale)], axis=1)
    columns /= cost[:, None]
    wanted = 1 - columns[:, 0]  # what is missing where the factor is 1
    gram = columns.T @ columns + RIDGE * len(cost) * np.eye(3)
    factor, each, fixed = np.linalg.solve(gram, columns.T @ wanted)
    return Correction(
        float(1 + factor), float(each * per_operator), float(fixed * scale), len(cost)
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well predicted costs agree with measured ones on networks that were not fitted to.

    Attributes:
        networks: How many.
        median_error: Median of the relative errors.
        worst_error: The largest.
        within_10: Part of the networks within 10 %.
        rank_correlation: Kendall's tau-b of predicted and measured.
    """

    networks: int
    median_error: float
    worst_error: float
    within_10: float
    rank_correlation: float


def agreement(predicted: Sequence[float], measured: Sequence[float]) -> Agreement:
    """Compare predicted with measured costs."""
    guessed, known = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
    errors = np.abs(guessed - known) / known
    return Agreement(
        networks=len(known),
        median_error=float(np.median(errors)),
        worst_error=float(errors.max()),
        within_10=float((errors <= 0.1).mean()),
        rank_correlation=kendall(guessed.tolist(), known.tolist()),
    )


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b of two rankings; 0 where one of them has no order.

    Raises:
        ValueError: They are of different lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"expected two rankings of one length, got {len(first)} and {len(second)}")
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    upper = np.triu_indices(len(a), 1)
    x = np.sign(a[:, None] - a[None])[upper]
    y = np.sign(b[:, None] - b[None])[upper]
    pairs = np.sqrt((x != 0).sum() * (y != 0).sum())
    return float((x * y).sum() / pairs) if pairs else 0.0
