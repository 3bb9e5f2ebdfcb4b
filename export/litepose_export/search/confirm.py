"""Measures the best candidates as whole networks before one of them is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from litepose_export.search.costs.measure import Measuring, Started, measure_beside
from litepose_export.search.costs.table import CostTable
from litepose_export.search.result import TOLERANCE
from litepose_export.search.run_folder import RunFolder
from litepose_export.search.space import Genes, Space

# So many are measured together, so many times: the table may be wrong about the first ones.
MEASURED, ATTEMPTS = 6, 4
PART = "confirm"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The chosen candidate and what it costs as a whole."""

    genes: Genes
    measured: float


def confirm(
    space: Space,
    table: CostTable,
    scores: Mapping[Genes, float],
    how: Measuring,
    budget: float,
    folder: RunFolder,
    started: Started,
) -> Confirmed:
    """The best candidate whose whole network keeps the budget, within 5 %.

    The best ones are measured in turns; where none of them keeps the budget, the next best. If none
    does in the end, the cheapest is chosen, and the result shows what it costs.

    Args:
        space: Where it searched.
        table: What operators cost.
        scores: Of all candidates.
        how: What is measured.
        budget: What the network may cost.
        folder: Keeps what was measured.
        started: Told of the step.
    """
    ranked = sorted(scores, key=lambda genes: (-scores[genes], table.of(space, genes)))
    kept: list[float] = folder.get(PART) or []
    measured: dict[Genes, float] = dict(zip(ranked, kept, strict=False))
    for attempt in range(ATTEMPTS):
        group = ranked[attempt * MEASURED : (attempt + 1) * MEASURED]
        if group and group[-1] not in measured:
            found = measure_beside(table, space, group, how, started)
            measured |= zip(group, found, strict=True)
            folder.put(PART, list(measured.values()))
        for genes in group:
            if measured[genes] <= budget * (1 + TOLERANCE):
                return Confirmed(genes, measured[genes])
    cheapest = min(measured, key=lambda genes: measured[genes])
    return Confirmed(cheapest, measured[cheapest])
