"""From probabilities to a network: argmax, or the most probable one that a budget allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litepose_edge.geometry import Float64
from litepose_export.search.efficientpose.cost import Costs

CELLS = 4000  # of the budget: networks whose costs differ by less count as equally dear
TOLERANCE = 0.05


def argmax(logits: Sequence[Tensor]) -> tuple[int, ...]:
    """The most probable operator of each layer."""
    return tuple(int(layer.argmax()) for layer in logits)


def log_probabilities(logits: Sequence[Tensor]) -> list[Float64]:
    """Of each layer's operators: `(operators,)` float64."""
    return [torch.log_softmax(layer.detach().double(), dim=0).cpu().numpy() for layer in logits]


def derive(
    logits: Sequence[Tensor],
    costs: Costs,
    budget: float,
    *,
    tolerance: float = TOLERANCE,
    spend: bool = True,
) -> tuple[int, ...]:
    """The network of a search.

    It is the argmax wherever that meets the budget. Otherwise it is the network with the largest
    product of probabilities among those that do: a multiple-choice knapsack, solved by dynamic
    programming over costs, in place of the published argmax alone, which says nothing of a
    budget.

    Args:
        logits: `(operators,)` for each layer.
        costs: Of the space.
        budget: In the costs' unit; no network dearer than this is returned.
        tolerance: Part of the budget that may stay unspent.
        spend: Whether a cheaper network is refused too while any network in
            `[(1 - tolerance) * budget, budget]` is there.

    Raises:
        SearchError: The budget is below the cheapest network's cost.
    """
    costs.check_budget(budget)
    likeliest = argmax(logits)
    floor = (1 - tolerance) * budget if spend else 0.0
    if floor <= costs.of(likeliest) <= budget:
        return likeliest
    found = _knapsack(log_probabilities(logits), costs, floor, budget)
    if found is not None:
        return found
    # No network of the space spends that much, or none ends in so narrow a window.
    if costs.of(likeliest) <= budget:
        return likeliest
    cheaper = _knapsack(log_probabilities(logits), costs, 0.0, budget)
    assert cheaper is not None
    return cheaper


def _knapsack(
    values: Sequence[Float64], costs: Costs, least: float, most: float
) -> tuple[int, ...] | None:
    """The choice with the largest sum of values whose cost lies in `[least, most]`, or None."""
    cell = most / CELLS
    rest = np.cumsum([0.0, *(min(layer) for layer in reversed(costs.entries))])[::-1]
    cost, value = np.array([costs.fixed]), np.zeros(1)
    steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for number, (layer, entries) in enumerate(zip(values, costs.entries, strict=True)):
        count = len(cost)
        costs_now = (cost[None] + np.array(entries)[:, None]).ravel()
        values_now = (value[None] + layer[:, None]).ravel()
        possible = np.flatnonzero(costs_now + rest[number + 1] <= most * (1 + 1e-12))
        # In each cell of cost the best is kept, with its exact cost; then the cheaper one.
        cells = np.floor(costs_now[possible] / cell).astype(np.int64)
        order = np.lexsort((costs_now[possible], -values_now[possible], cells))
        _, first = np.unique(cells[order], return_index=True)
        kept = possible[order[first]]
        steps.append((kept % count, kept // count))
        cost, value = costs_now[kept], values_now[kept]
    allowed = np.flatnonzero((cost >= least) & (cost <= most * (1 + 1e-12)))
    if not len(allowed):
        return None
    state = int(allowed[np.argmax(value[allowed])])
    choice = []
    for parents, operators in reversed(steps):
        choice.append(int(operators[state]))
        state = int(parents[state])
    return tuple(reversed(choice))
