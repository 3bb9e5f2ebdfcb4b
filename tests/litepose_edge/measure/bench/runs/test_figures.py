"""Figures of many samples."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litepose_edge.measure.bench.runs.figures import QUANTILES, summarize


@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=200))
def test_percentiles_agree_with_sorting_and_counting(samples):
    summary, ordered = summarize(samples), sorted(samples)
    for percent, value in ((50, summary.p50), (90, summary.p90), (99, summary.p99)):
        place = percent / 100 * (len(ordered) - 1)
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        assert value == pytest.approx(low + (high - low) * (place % 1), abs=1e-4)
    assert summary.count == len(samples)


def test_the_slowest_frame_is_never_cut_off():
    summary = summarize([1.0] * 9999 + [5000.0])
    assert summary.max == 5000.0
    assert summary.mean == pytest.approx(1.4999)
    assert summary.quantiles[-1] == 5000.0
    assert len(summary.quantiles) == len(QUANTILES)
