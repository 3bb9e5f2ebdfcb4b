"""The cheapest one-to-one assignment between two sets, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float64

Indices = NDArray[np.intp]


def assign(cost: NDArray[Any]) -> tuple[Indices, Indices]:
    """Pair rows with columns so that the sum of the pairs' costs is least.

    Shortest augmenting paths (Jonker and Volgenant 1987), one row after the other; every row
    of the shorter side finds a partner.

    Args:
        cost: `(N, M)` finite numbers.

    Returns:
        rows: `(min(N, M),)` indices, ascending.
        columns: Their partners, each at most once.
    """
    table = np.asarray(cost, np.float64)
    assert table.ndim == 2, table.shape
    assert np.isfinite(table).all(), "costs must be finite"
    if table.shape[0] > table.shape[1]:
        columns, rows = assign(table.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    rows = np.arange(table.shape[0])
    cheapest = table.argmin(axis=1) if table.size else np.zeros(0, np.intp)
    if len(np.unique(cheapest)) == len(rows):
        return rows, cheapest
    return rows, _augment_all(table)


def _augment_all(table: Float64) -> Indices:
    """Partner of each row; there are at least as many columns as rows."""
    count, width = table.shape
    row_price, column_price = np.zeros(count), np.zeros(width)
    row_of = np.full(width, -1, np.intp)
    for row in range(count):
        _augment(table, row, row_price, column_price, row_of)
    partners = np.empty(count, np.intp)
    taken = np.flatnonzero(row_of >= 0)
    partners[row_of[taken]] = taken
    return partners


def _augment(
    table: Float64, row: int, row_price: Float64, column_price: Float64, row_of: Indices
) -> None:
    """Give one more row a column, moving others along the shortest path to a free one.

    Prices keep every reduced cost `table - row_price - column_price` at 0 or above, and at 0
    for pairs; all arrays are updated in place.
    """
    width = table.shape[1]
    distance = np.full(width, np.inf)
    previous = np.full(width, -1, np.intp)
    open_columns = np.ones(width, np.bool_)
    visited: list[int] = []
    here, travelled = row, 0.0
    while True:
        reached = travelled + table[here] - row_price[here] - column_price
        shorter = open_columns & (reached < distance)
        distance[shorter] = reached[shorter]
        previous[shorter] = here
        column = int(np.where(open_columns, distance, np.inf).argmin())
        travelled = float(distance[column])
        if row_of[column] < 0:
            break
        open_columns[column] = False
        visited.append(column)
        here = int(row_of[column])

    row_price[row] += travelled
    for passed in visited:
        gained = travelled - distance[passed]
        row_price[row_of[passed]] += gained
        column_price[passed] -= gained
    while True:
        giver = int(previous[column])
        taken = np.flatnonzero(row_of == giver)
        row_of[column] = giver
        if giver == row:
            break
        column = int(taken[0])
