"""Settles on a network whose whole keeps the budget: derived by the table, measured, derived again.

The table is a model. So networks for budgets a little around the asked one are measured as wholes,
in turns; where none keeps the budget, the budget given to the derivation is moved by as much as
the middle one missed it.
"""

from __future__ import annotations

from dataclasses import dataclass

from litepose_export.errors import SearchError
from litepose_export.search.costs.measure import Measuring, Started, measure_beside
from litepose_export.search.costs.table import CostTable
from litepose_export.search.efficientpose.loop import DifferentiableSearch
from litepose_export.search.efficientpose.space import EfficientPoseSpace
from litepose_export.search.run_folder import RunFolder
from litepose_export.search.space import Genes

ATTEMPTS = 4
# Of the budget: what is derived and measured together, what is wanted most first.
AROUND = (1.0, 0.98, 1.02, 0.96, 1.04)
PART = "measured"


@dataclass(frozen=True, slots=True)
class Settled:
    """The found network.

    Attributes:
        genes: Which.
        measured: What it costs as a whole.
        tried: How many networks were measured.
    """

    genes: Genes
    measured: float
    tried: int


def settle(
    search: DifferentiableSearch,
    space: EfficientPoseSpace,
    table: CostTable,
    how: Measuring,
    folder: RunFolder,
    started: Started,
) -> Settled:
    """A derived network whose measured cost is within the tolerance of the budget.

    Where none of those measured is, the dearest that does not exceed it by more; where all do,
    the cheapest.

    Args:
        search: At its end.
        space: Its space.
        table: What operators cost.
        how: How whole networks are measured.
        folder: Keeps what was measured, so that a search that goes on does not measure again.
        started: Told of each measurement.
    """
    tolerance = search.settings.tolerance
    low = 1 - tolerance if search.settings.spend else 0.0
    measured: dict[Genes, float] = {tuple(genes): cost for genes, cost in folder.get(PART) or []}
    ratios: dict[Genes, float] = {}
    target = search.budget
    for _ in range(ATTEMPTS):
        group = _derived(search, target)
        missing = [genes for genes in group if genes not in measured]
        if missing:
            found = measure_beside(table, space, missing, how, started)
            measured |= zip(missing, found, strict=True)
            folder.put(PART, [[genes, cost] for genes, cost in measured.items()])
        if not set(group) - set(ratios):
            break
        ratios |= {genes: measured[genes] / search.budget for genes in group}
        for genes in group:
            if low <= ratios[genes] <= 1 + tolerance:
                return Settled(genes, measured[genes], len(ratios))
        target /= ratios[group[0]]
    fitting = [genes for genes in ratios if ratios[genes] <= 1 + tolerance]
    if fitting:
        best = max(fitting, key=lambda genes: ratios[genes])
    else:
        best = min(ratios, key=lambda genes: ratios[genes])
    return Settled(best, measured[best], len(ratios))


def _derived(search: DifferentiableSearch, target: float) -> list[Genes]:
    """Networks for budgets around a target; the cheapest one where no network costs so little."""
    found: dict[Genes, None] = {}
    for part in AROUND:
        try:
            found[search.choice(part * target)] = None
        except SearchError:
            continue
    return list(found) or [search.choice(search.costs.least)]
