"""From sums to networks: the fitted correction, its check, and Kendall's tau."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from litepose_export.search.costs.correction import (
    Correction,
    agreement,
    fit,
    kendall,
)


def test_without_networks_the_sum_stays_as_it_is():
    assert fit([], [], []) == Correction()
    assert Correction().apply(3.5, 12) == 3.5


def test_a_factor_and_an_overhead_an_operator_are_found():
    rng = np.random.default_rng(0)
    totals, counts = rng.uniform(2, 10, 12), rng.integers(8, 30, 12)
    measured = 1.3 * totals + 0.05 * counts + 0.2
    correction = fit(totals, counts.tolist(), measured)
    others, others_count = rng.uniform(2, 10, 20), rng.integers(8, 30, 20)
    predicted = [correction.apply(t, n) for t, n in zip(others, others_count, strict=True)]
    known = 1.3 * others + 0.05 * others_count + 0.2
    np.testing.assert_allclose(predicted, known, rtol=0.03)


def test_networks_of_one_length_do_not_confuse_the_fit():
    totals = np.linspace(1, 5, 8)
    correction = fit(totals, [10] * 8, 1.1 * totals + 0.3)
    assert correction.apply(3.0, 10) == pytest.approx(3.6, rel=0.02)


def test_agreement_counts_errors_and_ranks():
    found = agreement([1.0, 2.1, 3.0, 4.6], [1.0, 2.0, 3.0, 4.0])
    assert found.worst_error == pytest.approx(0.15)
    assert found.within_10 == 0.75
    assert found.rank_correlation == 1.0


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6),
        ([1, 1, 2], [1, 2, 3], 2 / np.sqrt(2 * 3)),  # tau-b: one tie
        ([1, 1, 1], [1, 2, 3], 0.0),
    ],
)
def test_kendall_is_tau_b(first, second, tau):
    assert kendall(first, second) == pytest.approx(tau)


def test_rankings_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        kendall([1, 2], [1, 2, 3])
