"""Confidence intervals of the gate's figures: bootstrap over people, or photographs for AP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float64
from litepose_edge.measure.accuracy.coco_metrics import ImageMatches

SEED = 28
RESAMPLES, AP_RESAMPLES = 400, 200
# Percentiles of the resampled figures: an interval that holds the figure 19 times of 20.
EDGES = (2.5, 97.5)
RECALL_STEPS = np.linspace(0, 1, 101)
Interval = tuple[float, float]


def of_shifts(shifts: Sequence[Float64]) -> dict[str, Interval]:
    """Intervals of the median shift and its 95th percentile.

    Args:
        shifts: `(n,)` distances in pixels of each person's keypoints that count.
    """
    people = [values for values in shifts if len(values)]
    if len(people) < 2:
        return {}
    values = np.concatenate(people)
    owner = np.repeat(np.arange(len(people)), [len(p) for p in people])
    order = np.argsort(values, kind="stable")
    values, owner = values[order], owner[order]

    def figures(weights: Float64) -> tuple[float, float]:
        reached = np.cumsum(weights[owner])
        places = np.searchsorted(reached, np.array([0.5, 0.95]) * reached[-1])
        median, p95 = values[np.minimum(places, len(values) - 1)]
        return float(median), float(p95)

    median, p95 = _resampled(len(people), RESAMPLES, figures)
    return {"shift_px": median, "p95_px": p95}


def of_mean(values: Sequence[float] | NDArray[Any]) -> Interval | None:
    """Interval of a mean over people; None of fewer than two."""
    each = np.asarray(values, np.float64)
    if len(each) < 2:
        return None
    return _resampled(len(each), RESAMPLES, lambda weights: (weights @ each / weights.sum(),))[0]


def of_ap_drop(
    of_float: Sequence[ImageMatches], of_int8: Sequence[ImageMatches]
) -> Interval | None:
    """Interval of the loss of average precision over the same photographs; None of one."""
    if len(of_float) < 2:
        return None
    tables = _Table(of_float), _Table(of_int8)

    def loss(weights: Float64) -> tuple[float]:
        first, second = (table.average_precision(weights) for table in tables)
        return (first - second,)

    return _resampled(len(of_float), AP_RESAMPLES, loss)[0]


def average_precision(matches: Sequence[ImageMatches]) -> float:
    """COCO's average precision of photographs that were matched with their labels."""
    return _Table(matches).average_precision(np.ones(len(matches)))


class _Table:
    """All results of some photographs, the surest first."""

    def __init__(self, matches: Sequence[ImageMatches]) -> None:
        scores = np.concatenate([m.scores for m in matches])
        order = np.argsort(-scores, kind="mergesort")
        owner = np.repeat(np.arange(len(matches)), [len(m.scores) for m in matches])
        self._owner = owner[order]
        matched = np.concatenate([m.matched for m in matches], axis=1)[:, order]
        ignored = np.concatenate([m.ignored for m in matches], axis=1)[:, order]
        self._right, self._wrong = matched & ~ignored, ~matched & ~ignored
        self._people = np.array([m.people for m in matches], np.float64)

    def average_precision(self, weights: Float64) -> float:
        """With each photograph counted so many times: mean over thresholds and 101 recalls."""
        people = float(weights @ self._people)
        if people == 0 or not len(self._owner):
            return 0.0
        each = weights[self._owner]
        right = np.cumsum(self._right * each, axis=1)
        wrong = np.cumsum(self._wrong * each, axis=1)
        precision = right / np.maximum(right + wrong, 1e-12)
        # The best precision at this recall or beyond.
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        total = 0.0
        for recall, precise in zip(right / people, best, strict=True):
            places = np.searchsorted(recall, RECALL_STEPS, side="left")
            reached = places < len(precise)
            total += float(precise[places[reached]].sum()) / len(RECALL_STEPS)
        return total / len(best)


def _resampled(
    count: int, times: int, figures: Callable[[Float64], tuple[float, ...]]
) -> list[Interval]:
    """Intervals of figures when `count` people are drawn with replacement, many times."""
    rng = np.random.default_rng(SEED)
    drawn = [
        figures(np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64))
        for _ in range(times)
    ]
    edges = np.percentile(np.array(drawn), EDGES, axis=0)
    return [(float(low), float(high)) for low, high in edges.T]
