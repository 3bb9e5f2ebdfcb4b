"""Expected cost, the cost term, its weight, and networks derived within a budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.errors import SearchError  # noqa: E402
from litepose_export.search.costs.correction import Correction  # noqa: E402
from litepose_export.search.costs.measure import (  # noqa: E402
    measure_networks,
    measure_space,
    measuring_of,
)
from litepose_export.search.costs.table import CostTable, Entry  # noqa: E402
from litepose_export.search.efficientpose.cost import (  # noqa: E402
    Costs,
    CostWeight,
    cost_term,
    costs_of,
    expected_cost,
)
from litepose_export.search.efficientpose.derive import (  # noqa: E402
    derive,
    log_probabilities,
)
from litepose_export.search.efficientpose.space import (  # noqa: E402
    EfficientPoseSpace,
    Layout,
)

pytestmark = pytest.mark.export
COSTS = Costs(0.5, ((1.0, 2.0, 4.0), (3.0, 0.0), (0.25, 0.75, 1.25)))


@pytest.mark.parametrize("choice", list(itertools.product(range(3), range(2), range(3))))
def test_expected_cost_of_a_certain_network_is_its_sum(choice: tuple[int, ...]) -> None:
    logits = [torch.full((len(c),), -1e4) for c in COSTS.entries]
    for layer, operator in zip(logits, choice, strict=True):
        layer[operator] = 0
    total = 0.5 + sum(c[i] for c, i in zip(COSTS.entries, choice, strict=True))
    assert float(expected_cost(logits, COSTS)) == pytest.approx(total)
    assert COSTS.of(choice) == pytest.approx(total)


def test_expected_cost_is_the_mean_over_all_networks() -> None:
    rng = np.random.default_rng(0)
    logits = [torch.tensor(rng.normal(size=len(c))) for c in COSTS.entries]
    shares = [torch.softmax(layer, 0).numpy() for layer in logits]
    mean = 0.0
    for choice in itertools.product(range(3), range(2), range(3)):
        probability = math.prod(s[i] for s, i in zip(shares, choice, strict=True))
        mean += probability * COSTS.of(choice)
    assert float(expected_cost(logits, COSTS)) == pytest.approx(mean)


def test_gradient_of_the_cost_term_is_right_and_has_no_unit() -> None:
    logits = tuple(
        torch.randn(len(c), dtype=torch.float64, requires_grad=True) for c in COSTS.entries
    )
    assert torch.autograd.gradcheck(
        lambda *given: cost_term(expected_cost(given, COSTS), 10), logits
    )
    in_micro = Costs(0.5e6, tuple(tuple(1e6 * c for c in layer) for layer in COSTS.entries))
    own, other = (
        torch.autograd.grad(cost_term(expected_cost(logits, c), 10), logits)
        for c in (COSTS, in_micro)
    )
    for a, b in zip(own, other, strict=True):
        torch.testing.assert_close(a, b)
    assert float(cost_term(torch.tensor(1000.0), 10)) == pytest.approx(3)


def test_cost_weight_grows_above_the_budget_and_falls_below_it() -> None:
    weight = CostWeight(0.1, gain=1.0, least=0.01, most=1.0)
    weight.follow(20, 10)
    assert weight.value == pytest.approx(0.2)
    weight.follow(5, 10)
    assert weight.value == pytest.approx(0.1)
    for _ in range(20):
        weight.follow(1, 10)
    assert weight.value == 0.01
    for _ in range(20):
        weight.follow(100, 10)
    assert weight.value == 1.0


def best(logits: list[torch.Tensor], costs: Costs, least: float, most: float) -> float | None:
    """The largest log-probability within a window, by trying every network."""
    values = log_probabilities(logits)
    found = [
        sum(float(v[i]) for v, i in zip(values, choice, strict=True))
        for choice in itertools.product(*(range(len(c)) for c in costs.entries))
        if least <= costs.of(choice) <= most
    ]
    return max(found, default=None)


@pytest.mark.parametrize("seed", range(5))
def test_derived_network_is_the_most_probable_one_in_the_window(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = Costs(1.0, tuple(tuple(rng.uniform(0.1, 3, size=4)) for _ in range(6)))
    logits = [torch.tensor(rng.normal(size=4)) for _ in range(6)]
    for budget in np.linspace(costs.least * 1.1, costs.most, 7):
        choice = derive(logits, costs, budget)
        wanted = best(logits, costs, 0.95 * budget, budget)
        assert wanted is not None
        assert 0.95 * budget <= costs.of(choice) <= budget
        value = sum(float(v[i]) for v, i in zip(log_probabilities(logits), choice, strict=True))
        # Costs are told apart to a 4000th of the budget.
        assert value == pytest.approx(wanted, abs=0.02)


def test_argmax_within_the_budget_is_taken_as_it_is() -> None:
    logits = [torch.tensor([0.0, 3.0, 1.0]), torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.0, 5])]
    assert COSTS.of((1, 0, 2)) == 6.75
    assert derive(logits, COSTS, 7.0) == (1, 0, 2)


def test_a_network_that_need_not_spend_stays_cheap() -> None:
    logits = [torch.tensor([5.0, 0.0, 0.0]), torch.tensor([0.0, 5.0]), torch.tensor([5.0, 0, 0])]
    assert derive(logits, COSTS, 9.0, spend=False) == (0, 1, 0)
    assert COSTS.of(derive(logits, COSTS, 9.0)) >= 0.95 * 9


def test_a_budget_above_the_dearest_network_takes_the_argmax() -> None:
    logits = [torch.tensor([5.0, 0.0, 0.0]), torch.tensor([0.0, 5.0]), torch.tensor([5.0, 0, 0])]
    assert derive(logits, COSTS, 100.0) == (0, 1, 0)


def test_the_least_budget_is_met_and_less_is_refused() -> None:
    logits = [torch.zeros(3), torch.zeros(2), torch.zeros(3)]
    assert COSTS.least == 1.75
    assert derive(logits, COSTS, 1.75) == (0, 1, 0)
    with pytest.raises(SearchError, match=r"the cheapest costs 1\.75"):
        derive(logits, COSTS, 1.7)
    with pytest.raises(SearchError, match="above 0"):
        derive(logits, COSTS, math.nan)


def test_costs_must_be_numbers() -> None:
    for entries in (((1.0, math.nan),), ((1.0, 0.0),)):
        with pytest.raises(ValueError, match="finite"):
            Costs(0.0, entries)
    assert Costs(-0.5, ((1.0, 2.0),)).of((0,)) == 0.5


def test_costs_are_those_of_the_table_with_its_correction() -> None:
    space = EfficientPoseSpace(Layout(8, (8, 16, 24, 32), (2, 2, 1, 2)), 5, Size(32, 32))
    rng = np.random.default_rng(0)
    entries = {o.key: Entry(float(rng.uniform(1, 3))) for o in space.all_operators()}
    for correction in (Correction(), Correction(0.8, -0.1, 0.7, 5)):
        table = CostTable("macs", "any", entries, correction)
        costs = costs_of(space, table)
        for _ in range(10):
            genes = space.random(rng)
            assert costs.of(genes) == pytest.approx(table.of(space, genes))


def started(what: str, total: int) -> Callable[[], None]:
    return lambda: None


def test_multiply_accumulates_of_the_table_are_the_networks() -> None:
    space = EfficientPoseSpace(Layout(8, (8, 16, 24, 32), (2, 2, 1, 2)), 5, Size(32, 32))
    how = measuring_of("macs")
    table = measure_space(space, how, started)
    costs = costs_of(space, table)
    genes = [space.random(np.random.default_rng(i)) for i in range(3)]
    counted = measure_networks(space, genes, how, started)
    assert [costs.of(each) for each in genes] == pytest.approx(counted)
