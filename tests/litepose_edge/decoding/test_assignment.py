"""Exact assignment, against every permutation and against scipy's solver."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.decoding.assignment import assign


def cheapest_by_trying_all(cost: np.ndarray) -> float:
    """The least sum over every way to pair the shorter side."""
    if cost.shape[0] > cost.shape[1]:
        cost = cost.T
    count, width = cost.shape
    return min(
        sum(cost[row, column] for row, column in enumerate(choice))
        for choice in itertools.permutations(range(width), count)
    )


def check_pairs(cost: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Each row and column at most once, the shorter side complete, rows in order."""
    assert len(rows) == len(columns) == min(cost.shape)
    assert (np.diff(rows) > 0).all()
    assert len(set(columns.tolist())) == len(columns)
    assert ((rows >= 0) & (rows < cost.shape[0])).all()
    assert ((columns >= 0) & (columns < cost.shape[1])).all()


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_other_pairing_is_cheaper(count, width, seed, ties):
    rng = np.random.default_rng(seed)
    cost = rng.integers(-3, 3, (count, width)) if ties else rng.normal(0, 5, (count, width))
    rows, columns = assign(cost)
    check_pairs(cost, rows, columns)
    assert cost[rows, columns].sum() == pytest.approx(cheapest_by_trying_all(cost), abs=1e-9)


@given(st.integers(1, 45), st.integers(1, 45), st.integers(0, 10_000), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_sum_is_scipys(count, width, seed, ties):
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 4, (count, width)) * 100.0 - rng.uniform(0, 1, (count, 1))
    if not ties:
        cost += rng.uniform(0, 300, (count, width))
    rows, columns = assign(cost)
    check_pairs(cost, rows, columns)
    expected = cost[optimize.linear_sum_assignment(cost)].sum()
    assert cost[rows, columns].sum() == pytest.approx(expected, abs=1e-6)


@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_without_ties_the_pairs_are_scipys(count, width, seed):
    optimize = pytest.importorskip("scipy.optimize")
    cost = np.random.default_rng(seed).normal(size=(count, width))
    for found, expected in zip(assign(cost), optimize.linear_sum_assignment(cost), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(st.integers(2, 8), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_does_not_matter(count, seed):
    rng = np.random.default_rng(seed)
    cost = rng.normal(size=(count, count + 2))
    order = rng.permutation(count)
    _, columns = assign(cost)
    _, shuffled = assign(cost[order])
    np.testing.assert_array_equal(shuffled, columns[order])


def test_a_cheap_first_choice_is_given_up_for_the_others():
    """Taking row by row the cheapest column would pay 1 + 100."""
    cost = np.array([[1.0, 2.0], [1.0, 100.0]])
    assert [a.tolist() for a in assign(cost)] == [[0, 1], [1, 0]]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_assigned_to_nothing(shape):
    rows, columns = assign(np.zeros(shape))
    assert len(rows) == len(columns) == 0


def test_the_costs_are_left_as_they_were():
    cost = np.random.default_rng(0).integers(0, 3, (6, 4)).astype(np.float64)
    before = cost.copy()
    assign(cost)
    np.testing.assert_array_equal(cost, before)
