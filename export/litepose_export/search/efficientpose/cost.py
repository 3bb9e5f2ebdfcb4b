"""The cost of a network with probabilities in place of choices, and its term in the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from litepose_export.errors import SearchError
from litepose_export.search.costs.table import CostTable
from litepose_export.search.efficientpose.space import EfficientPoseSpace


@dataclass(frozen=True, slots=True)
class Costs:
    """What the networks of a space cost: a sum of entries, in any one unit.

    Attributes:
        fixed: Of the parts that all networks share.
        entries: For each layer the cost of each of its operators.
    """

    fixed: float
    entries: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        numbers = [self.fixed, *(cost for layer in self.entries for cost in layer)]
        if not all(map(math.isfinite, numbers)) or self.least <= 0:
            raise ValueError("costs must be finite, and those of every network above 0")

    def of(self, choice: Sequence[int]) -> float:
        """The cost of one network."""
        pairs = zip(self.entries, choice, strict=True)
        return self.fixed + sum(layer[operator] for layer, operator in pairs)

    @property
    def least(self) -> float:
        """The cheapest network's cost."""
        return self.fixed + sum(map(min, self.entries))

    @property
    def most(self) -> float:
        """The dearest network's cost."""
        return self.fixed + sum(map(max, self.entries))

    def check_budget(self, budget: float) -> None:
        """Refuse a budget that no network meets.

        Raises:
            SearchError: It is below the cheapest network's cost, or not a number above 0.
        """
        if not (math.isfinite(budget) and budget > 0):
            raise SearchError(f"the budget must be finite and above 0, got {budget}")
        if budget < self.least:
            raise SearchError(
                f"no network of the space costs as little as {budget:g}: the cheapest costs "
                f"{self.least:.4g}; give a larger budget or a smaller input"
            )


def costs_of(space: EfficientPoseSpace, table: CostTable) -> Costs:
    """A table's costs of a space, its correction to whole networks spread over the operators.

    Raises:
        SearchError: The table lacks an operator.
    """
    correction = table.correction
    shared = [table.of_operator(operator) for operator in (space.stem, space.head)]
    return Costs(
        correction.factor * sum(shared) + correction.each * len(shared) + correction.fixed,
        tuple(
            tuple(
                0.0
                if block is None
                else correction.factor * table.of_operator(space.operator(layer, block))
                + correction.each
                for block in layer.blocks
            )
            for layer in space.layers
        ),
    )


def expected_cost(logits: Sequence[Tensor], costs: Costs) -> Tensor:
    """Mean cost of networks drawn by `softmax(logits)`: a scalar, differentiable in the logits."""
    total = torch.tensor(costs.fixed, dtype=logits[0].dtype if logits else torch.float32)
    for layer, entries in zip(logits, costs.entries, strict=True):
        total = total + torch.softmax(layer, dim=0) @ layer.new_tensor(entries)
    return total


def cost_term(cost: Tensor, base: float) -> Tensor:
    """`log(cost) / log(base)`, FNA's (arXiv 2006.12986): its gradient has no unit."""
    return torch.log(cost) / math.log(base)


@dataclass(slots=True)
class CostWeight:
    """The cost term's weight, led so that the expected cost comes to the budget.

    FNA sets it by hand for each task and each unit. Here it is multiplied after every
    architecture step by `(expected cost / budget) ** gain`: it grows while networks are too dear
    and falls while there is room.

    Attributes:
        value: The weight.
        gain: How fast it follows.
        least: Floor: where the budget is loose, dear operators still have to be useful.
        most: Ceiling.
    """

    value: float = 0.15
    gain: float = 0.1
    least: float = 1e-3
    most: float = 100.0

    def follow(self, cost: float, budget: float) -> None:
        """Move after a step that ended at an expected cost."""
        moved = self.value * (cost / budget) ** self.gain
        self.value = min(max(moved, self.least), self.most)
