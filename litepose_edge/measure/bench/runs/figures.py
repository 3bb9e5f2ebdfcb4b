"""Summary of many samples: the whole distribution, with its slowest samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

QUANTILES = (0, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9, 100)


@dataclass(frozen=True, slots=True)
class Summary:
    """A distribution in milliseconds.

    Attributes:
        count: Samples, all of them counted.
        mean: Mean.
        p50: Median.
        p90: Nine of ten samples were not slower.
        p95: 95 of 100.
        p99: 99 of 100.
        max: The slowest sample.
        quantiles: Values at `QUANTILES` per cent, for plots.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    quantiles: tuple[float, ...]


def summarize(samples_ms: Sequence[float]) -> Summary:
    """The figures of at least one sample."""
    values = np.asarray(samples_ms, np.float64)
    p50, p90, p95, p99 = np.percentile(values, [50, 90, 95, 99])
    return Summary(
        count=len(values),
        mean=_rounded(values.mean()),
        p50=_rounded(p50),
        p90=_rounded(p90),
        p95=_rounded(p95),
        p99=_rounded(p99),
        max=_rounded(values.max()),
        quantiles=tuple(_rounded(q) for q in np.percentile(values, QUANTILES)),
    )


def _rounded(value: float) -> float:
    """To a tenth of a microsecond."""
    return round(float(value), 4)
