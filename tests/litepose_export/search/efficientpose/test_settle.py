"""The found network's whole keeps the budget, though the table may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

torch = pytest.importorskip("torch")

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.search.costs.measure import (  # noqa: E402
    Measuring,
    measure_space,
    measuring_of,
)
from litepose_export.search.costs.table import CostTable  # noqa: E402
from litepose_export.search.efficientpose import settle as module  # noqa: E402
from litepose_export.search.efficientpose.cost import Costs, costs_of  # noqa: E402
from litepose_export.search.efficientpose.loop import DifferentiableSearch  # noqa: E402
from litepose_export.search.efficientpose.mixed import MixedLayer, MixedNetwork  # noqa: E402
from litepose_export.search.efficientpose.settings import SearchSettings  # noqa: E402
from litepose_export.search.efficientpose.settle import Settled, settle  # noqa: E402
from litepose_export.search.efficientpose.space import (  # noqa: E402
    EfficientPoseSpace,
    Layout,
)
from litepose_export.search.run_folder import RunFolder  # noqa: E402

pytestmark = pytest.mark.export
SPACE = EfficientPoseSpace(Layout(8, (8, 16, 24, 32), (2, 2, 2, 3)), 5, Size(32, 32))
HOW = measuring_of("macs")


@pytest.fixture(scope="module")
def costs() -> Costs:
    return costs_of(SPACE, measure_space(SPACE, HOW, lambda _, __: lambda: None))


def ended(costs: Costs, budget: float, seed: int = 0) -> DifferentiableSearch:
    """A search with probabilities from somewhere."""
    layers = [MixedLayer([torch.nn.Identity()] * len(entries)) for entries in costs.entries]
    network = MixedNetwork(torch.nn.Linear(1, 1), layers, torch.nn.Identity())
    search = DifferentiableSearch(
        network,
        costs,
        budget,
        loss=lambda module, batch: module(batch).sum(),
        batches=lambda half, segment: (x for x in [torch.zeros(1)]),
        settings=SearchSettings(steps=2),
        seed=seed,
    )
    torch.manual_seed(seed)
    search.logits = [torch.randn(len(entries)) for entries in costs.entries]
    return search


def measured_as(
    monkeypatch: pytest.MonkeyPatch, cost: Callable[[tuple[int, ...]], float]
) -> list[int]:
    """Let whole networks cost something else than the table says; counts measurements."""
    counts: list[int] = []

    def measure(
        table: CostTable,
        space: EfficientPoseSpace,
        genes: Sequence[tuple[int, ...]],
        how: Measuring,
        started: object,
    ) -> list[float]:
        counts.append(len(genes))
        return [cost(each) for each in genes]

    monkeypatch.setattr(module, "measure_beside", measure)
    return counts


def settled(search: DifferentiableSearch, folder: RunFolder) -> Settled:
    table = CostTable("macs", "any")
    return settle(search, SPACE, table, HOW, folder, lambda _, __: lambda: None)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.07, 1.25])
def test_a_table_that_is_off_is_made_up_for(costs, factor, monkeypatch, tmp_path) -> None:
    budget = (costs.least + costs.most) / 2
    counts = measured_as(monkeypatch, lambda genes: factor * costs.of(genes))
    found = settled(ended(costs, budget), RunFolder(tmp_path, {}))
    assert 0.95 <= found.measured / budget <= 1.05
    assert found.tried == sum(counts)


def test_nothing_is_measured_twice(costs, monkeypatch, tmp_path) -> None:
    budget = (costs.least + costs.most) / 2
    counts = measured_as(monkeypatch, lambda genes: 1.25 * costs.of(genes))
    first = settled(ended(costs, budget), RunFolder(tmp_path, {}))
    before = len(counts)
    assert settled(ended(costs, budget), RunFolder(tmp_path, {})) == first
    assert len(counts) == before


def test_where_all_are_too_dear_the_cheapest_is_taken(costs, monkeypatch, tmp_path) -> None:
    budget = 1.01 * costs.least
    measured_as(monkeypatch, lambda genes: 2 * costs.of(genes))
    found = settled(ended(costs, budget), RunFolder(tmp_path, {}))
    assert found.genes == tuple(min(range(len(e)), key=e.__getitem__) for e in costs.entries)


def test_where_none_spends_the_budget_the_dearest_found_is_taken(
    costs, monkeypatch, tmp_path
) -> None:
    budget = costs.most
    measured_as(monkeypatch, lambda genes: 0.5 * costs.of(genes))
    found = settled(ended(costs, budget), RunFolder(tmp_path, {}))
    assert found.measured <= 0.5 * budget
    assert found.measured >= 0.5 * 0.9 * budget
