"""Settles on a network whose whole keeps the budget: derived by the table, measured, derived again.

The table is a model; where a derived network as a whole costs something else, the budget given to
the derivation is moved by as much.
"""

from __future__ import annotations

from dataclasses import dataclass

from litepose_export.errors import SearchError
from litepose_export.search.costs.measure import Measuring, Started, measure_networks
from litepose_export.search.efficientpose.loop import DifferentiableSearch
from litepose_export.search.efficientpose.space import EfficientPoseSpace
from litepose_export.search.run_folder import RunFolder
from litepose_export.search.space import Genes

ATTEMPTS = 5
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
    how: Measuring,
    folder: RunFolder,
    started: Started,
) -> Settled:
    """The derived network whose measured cost is within the tolerance of the budget.

    Where none of a few is, the dearest of those that do not exceed it by more; where all do, the
    cheapest.

    Args:
        search: At its end.
        space: Its space.
        how: How whole networks are measured.
        folder: Keeps what was measured, so that a search that goes on does not measure again.
        started: Told of each measurement.
    """
    budget, tolerance = search.budget, search.settings.tolerance
    measured: dict[Genes, float] = {tuple(genes): cost for genes, cost in folder.get(PART) or []}
    target, tried = budget, []
    for _ in range(ATTEMPTS):
        try:
            genes = search.choice(target)
        except SearchError:  # so little no network costs
            break
        if genes in tried:
            break
        tried.append(genes)
        if genes not in measured:
            measured[genes] = measure_networks(space, [genes], how, started)[0]
            folder.put(PART, [[list(each), cost] for each, cost in measured.items()])
        ratio = measured[genes] / budget
        enough = ratio >= 1 - tolerance or not search.settings.spend
        if ratio <= 1 + tolerance and enough:
            return Settled(genes, measured[genes], len(tried))
        target /= ratio
    fitting = [genes for genes in tried if measured[genes] <= (1 + tolerance) * budget]
    if fitting:
        best = max(fitting, key=lambda genes: measured[genes])
    else:
        best = min(tried, key=lambda genes: measured[genes])
    return Settled(best, measured[best], len(tried))
