"""Confidence intervals of a mean of few values: Student's t without SciPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from litepose_edge.geometry import Float64

# Points of the integration; the quantiles are right to five digits.
STEPS = 20001


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the interval that holds the true one with 95 % confidence."""

    mean: float
    low: float
    high: float


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean of two or more independent values with its interval."""
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = t_quantile((1 + confidence) / 2, len(values) - 1) * error
    return Interval(mean, mean - half, mean + half)


@cache
def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t distribution.

    Args:
        probability: In `[0.5, 1)`.
        freedom: Degrees of freedom, at least 1; need not be whole.
    """
    # With t = sqrt(freedom) tan(a) the distribution becomes an integral of cos^(freedom - 1).
    angle = np.linspace(0, math.pi / 2, STEPS)
    # Rounding may take the cosine of a right angle below 0.
    heights: Float64 = np.maximum(np.cos(angle), 0) ** (freedom - 1)
    area = np.concatenate([[0.0], np.cumsum(heights[1:] + heights[:-1])])
    found = np.interp((2 * probability - 1) * area[-1], area, angle)
    return math.sqrt(freedom) * math.tan(float(found))
