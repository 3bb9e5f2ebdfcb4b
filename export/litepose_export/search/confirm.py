"""Measures the best candidates as whole networks before one of them is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from litepose_export.search.costs.measure import Measuring, Started, measure_networks
from litepose_export.search.costs.table import CostTable
from litepose_export.search.result import TOLERANCE
from litepose_export.search.run_folder import RunFolder
from litepose_export.search.space import Genes, Space

MEASURED = 6
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

    The best ones are measured in turns; if none of them keeps the budget, the cheapest is chosen.

    Args:
        space: Where it searched.
        table: What operators cost.
        scores: Of all candidates.
        how: What is measured.
        budget: What the network may cost.
        folder: Keeps what was measured.
        started: Told of the step.
    """
    ranked = sorted(scores, key=lambda genes: (-scores[genes], table.of(space, genes)))[:MEASURED]
    kept = folder.get(PART)
    if kept is None:
        kept = measure_networks(space, ranked, how, started)
        folder.put(PART, kept)
    measured = dict(zip(ranked, kept, strict=True))
    fitting = [genes for genes in ranked if measured[genes] <= budget * (1 + TOLERANCE)]
    chosen = fitting[0] if fitting else min(ranked, key=lambda genes: measured[genes])
    return Confirmed(chosen, measured[chosen])
