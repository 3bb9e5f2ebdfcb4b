"""When is a difference between two configurations more than the machine's own noise?

The same configuration is measured twice under two names (A/A). The noise floor is the larger of
what the two differ by and what chance alone could have made them differ by; a smaller difference
between configurations is called none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from litepose_edge.measure.energy.interval import t_quantile

CONFIDENCE = 0.95
# A noise as large as the figures themselves tells nothing apart.
MOST_NOISE = 1.0

Verdict = Literal["faster", "slower", "no difference"]


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The noise of one quantity in one run.

    Attributes:
        relative: Differences below this part are none: the larger of `observed` and what two
            equal configurations differ by in at most one run of twenty.
        observed: What the two halves of the A/A pair differed by.
        repeats: Processes of each half.
    """

    relative: float
    observed: float
    repeats: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One configuration against the baseline.

    Attributes:
        ratio: Its time divided by the baseline's (geometric means over the repeats).
        threshold: Differences below this part are none: the floor, or this pair's own noise
            where that is larger.
        verdict: Whether it is faster or slower than chance explains; never where the noise is as
            large as the figures.
    """

    ratio: float
    threshold: float
    verdict: Verdict


def noise_floor(first: Sequence[float], second: Sequence[float]) -> NoiseFloor:
    """The floor from the two halves of an A/A pair.

    Args:
        first: One positive figure a process, at least two.
        second: The same of the other half.
    """
    observed = math.expm1(abs(_log_mean(second) - _log_mean(first)))
    relative = max(observed, _chance(first, second))
    return NoiseFloor(round(relative, 5), round(observed, 5), min(len(first), len(second)))


def compare(baseline: Sequence[float], other: Sequence[float], floor: NoiseFloor) -> Comparison:
    """Compare a configuration with the baseline, given the noise.

    Args:
        baseline: One positive figure a process.
        other: The same of the other configuration.
        floor: The noise of the same quantity.
    """
    difference = _log_mean(other) - _log_mean(baseline)
    threshold = max(floor.relative, _chance(baseline, other))
    verdict: Verdict = "no difference"
    if threshold < MOST_NOISE and abs(difference) > math.log1p(threshold):
        verdict = "faster" if difference < 0 else "slower"
    return Comparison(round(math.exp(difference), 4), round(threshold, 5), verdict)


def _log_mean(values: Sequence[float]) -> float:
    return float(np.log(values).mean())


def _chance(first: Sequence[float], second: Sequence[float]) -> float:
    """By what part the means of equal configurations differ in one run of twenty (Welch)."""
    variances = [float(np.log(v).var(ddof=1)) / len(v) for v in (first, second)]
    total = sum(variances)
    if total == 0:
        return 0.0
    spread = sum(
        variance**2 / (len(v) - 1) for variance, v in zip(variances, (first, second), strict=True)
    )
    freedom = total**2 / spread
    return math.expm1(t_quantile((1 + CONFIDENCE) / 2, freedom) * math.sqrt(total))
