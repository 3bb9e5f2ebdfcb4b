"""Searches whose answer is known beforehand: five seeds of five."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from litepose_export.errors import CheckpointError  # noqa: E402
from litepose_export.search.efficientpose.cost import Costs  # noqa: E402
from litepose_export.search.efficientpose.loop import (  # noqa: E402
    ARCHITECTURE,
    DifferentiableSearch,
)
from litepose_export.search.efficientpose.mixed import MixedLayer, MixedNetwork  # noqa: E402
from litepose_export.search.efficientpose.settings import SearchSettings  # noqa: E402
from litepose_export.training.core.schedule import Schedule  # noqa: E402

pytestmark = pytest.mark.export
FACTORS = torch.tensor([4.0, 2.0, 3.0])  # what each layer should multiply its coordinate by
NOTHING, USEFUL, DEAR = range(3)
RATES = Schedule(batch=1, learning_rate=0.05, muon_rate=None, warmup_steps=10, weight_decay=0.0)
SEEDS = range(5)


class Stretch(nn.Module):
    """Multiplies one coordinate by a learned number."""

    def __init__(self, coordinate: int) -> None:
        super().__init__()
        self.coordinate, self.factor = coordinate, nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        stretched = torch.ones(3)
        stretched[self.coordinate] = 0
        at = 1 - stretched
        return x * (stretched + at * self.factor)


class Waste(nn.Module):
    """Learns a number that changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0 * self.unused


def stretching() -> MixedNetwork:
    layers = [MixedLayer([nn.Identity(), Stretch(i), Waste()]) for i in range(3)]
    return MixedNetwork(nn.Identity(), layers, nn.Identity())


def vectors(half: str, segment: int) -> Generator[Tensor, None, None]:
    rng = np.random.default_rng((segment, half == ARCHITECTURE))
    while True:
        yield torch.tensor(rng.normal(size=(16, 3)), dtype=torch.float32)


def stretched_wrongly(network: nn.Module, x: Tensor) -> Tensor:
    return ((network(x) - FACTORS * x) ** 2).mean()


def settings(**changed: object) -> SearchSettings:
    values = {"steps": 160, "segment": 40, "weights": RATES, **changed}
    return SearchSettings(**values)  # type: ignore[arg-type]


def search(seed: int, costs: Costs, budget: float, **changed: object) -> DifferentiableSearch:
    torch.manual_seed(seed)
    return DifferentiableSearch(
        stretching(),
        costs,
        budget,
        loss=stretched_wrongly,
        batches=vectors,
        settings=settings(**changed),
        seed=seed,
    )


def found(search: DifferentiableSearch) -> tuple[int, ...]:
    while not search.done:
        search.run_segment()
    return search.choice()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_loose_budget_takes_the_useful_and_not_the_useless_that_costs_more(seed: int) -> None:
    # Two that waste and one that does nothing would spend the budget too.
    costs = Costs(0.5, ((0.0, 1.0, 1.5),) * 3)
    assert found(search(seed, costs, 3.5)) == (USEFUL,) * 3


@pytest.mark.parametrize("seed", SEEDS)
def test_what_need_not_be_spent_is_not_wasted(seed: int) -> None:
    costs = Costs(0.5, ((0.0, 1.0, 2.0),) * 3)
    assert found(search(seed, costs, 7.0, spend=False)) == (USEFUL,) * 3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tight_budget_forces_the_cheap_but_where_it_matters_most(seed: int) -> None:
    costs = Costs(0.5, ((0.0, 1.0, 1.0),) * 3)
    running = search(seed, costs, 1.5)
    assert found(running) == (USEFUL, NOTHING, NOTHING)
    assert running.choice(2.5) == (USEFUL, NOTHING, USEFUL)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_least_budget_leaves_everything_out(seed: int) -> None:
    costs = Costs(0.5, ((0.0, 1.0, 1.5),) * 3)
    assert found(search(seed, costs, 0.5, steps=20)) == (NOTHING,) * 3


class Shift(nn.Conv1d):
    """A row's convolution of one channel."""

    def __init__(self, kernel: int) -> None:
        super().__init__(1, 1, kernel, padding=kernel // 2, bias=False)


def rows(half: str, segment: int) -> Generator[Tensor, None, None]:
    rng = np.random.default_rng((segment, half == ARCHITECTURE))
    while True:
        yield torch.tensor(rng.normal(size=(16, 1, 12)), dtype=torch.float32)


def shifted_wrongly(network: nn.Module, x: Tensor) -> Tensor:
    wanted = torch.zeros_like(x)
    wanted[..., 2:] = x[..., :-2]
    return ((network(x) - wanted) ** 2).mean()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("budget", "kernel"), [(3.9, 5)])
def test_the_smallest_kernel_that_reaches_far_enough_is_taken(
    seed: int, budget: float, kernel: int
) -> None:
    torch.manual_seed(seed)
    kernels = (3, 5, 7)
    network = MixedNetwork(nn.Identity(), [MixedLayer([Shift(k) for k in kernels])], nn.Identity())
    running = DifferentiableSearch(
        network,
        Costs(0.0, ((1.0, 2.0, 4.0),)),
        budget,
        loss=shifted_wrongly,
        batches=rows,
        settings=settings(),
        seed=seed,
    )
    assert kernels[found(running)[0]] == kernel


def test_a_search_that_goes_on_from_a_state_ends_the_same() -> None:
    costs = Costs(0.5, ((0.0, 1.0, 1.5),) * 3)
    whole = search(0, costs, 3.5, steps=80, segment=20)
    stopped = search(0, costs, 3.5, steps=80, segment=20)
    for _ in range(2):
        whole.run_segment()
        stopped.run_segment()
    torch.manual_seed(9)  # another process
    resumed = search(0, costs, 3.5, steps=80, segment=20)
    resumed.restore(stopped.state())
    assert resumed.step == 40
    reports = [(whole.run_segment(), resumed.run_segment()) for _ in range(2)]
    assert all(own == other for own, other in reports)
    for own, other in zip(whole.logits, resumed.logits, strict=True):
        assert torch.equal(own, other)
    for own, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(own, other)


def test_a_state_of_another_search_is_refused() -> None:
    costs = Costs(0.5, ((0.0, 1.0, 1.5),) * 3)
    running = search(0, costs, 3.5)
    state = running.state()
    with pytest.raises(CheckpointError, match="another search"):
        running.restore(state | {"logits": state["logits"][:2]})
    with pytest.raises(CheckpointError, match="another search"):
        running.restore({})


def test_the_warm_up_leaves_the_architecture_alone() -> None:
    costs = Costs(0.5, ((0.0, 1.0, 1.5),) * 3)
    running = search(0, costs, 3.5, steps=100, segment=40)
    report = running.run_segment()
    assert report.architecture_loss is None
    assert all(not layer.any() for layer in running.logits)
    report = running.run_segment()
    assert report.architecture_loss is not None
    assert all(layer.any() for layer in running.logits)


def test_architecture_steps_leave_the_weights_alone() -> None:
    costs = Costs(0.5, ((0.0, 1.0, 1.5),) * 3)
    running = search(0, costs, 3.5, steps=4, segment=1, warmup=0.0)
    assert [running.settings.is_architecture_step(i) for i in range(4)] == [False, True] * 2
    running.run_segment()
    before = [p.detach().clone() for p in running.network.parameters()]
    running.run_segment()
    assert all(map(torch.equal, before, running.network.parameters()))


def test_settings_of_no_search_are_refused() -> None:
    for wrong in ({"steps": 1}, {"warmup": 1.0}, {"base": 1.0}, {"temperature": (1.0, 0.0)}):
        with pytest.raises(ValueError, match=r"\d"):
            settings(**wrong)
