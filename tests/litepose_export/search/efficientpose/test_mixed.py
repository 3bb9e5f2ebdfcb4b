"""Mixed layers: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from litepose_export.search.efficientpose.mixed import (  # noqa: E402
    Gate,
    MixedLayer,
    MixedNetwork,
    single,
)
from litepose_export.search.efficientpose.sampling import (  # noqa: E402
    FairPaths,
    draw_path,
    gumbel_gates,
)

pytestmark = pytest.mark.export


def value(number: torch.Tensor) -> float:
    return float(number.detach())


class Times(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.runs = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return self.factor * x


def times(*factors: float) -> MixedLayer:
    return MixedLayer([Times(factor) for factor in factors])


def test_a_single_operator_runs_alone_and_as_it_is() -> None:
    layer = times(2.0, 3.0, 5.0)
    assert value(layer(torch.tensor(7.0), Gate((1,)))) == 21
    assert [operator.runs for operator in layer.operators] == [0, 1, 0]


def test_mixed_operators_are_summed_by_their_weights() -> None:
    layer = times(2.0, 3.0, 5.0)
    gate = Gate((2, 0), torch.tensor([0.25, 0.75]))
    assert value(layer(torch.tensor(4.0), gate)) == pytest.approx(0.25 * 20 + 0.75 * 8)
    assert [operator.runs for operator in layer.operators] == [1, 0, 1]


def test_a_network_runs_its_layers_in_order_between_its_shared_parts() -> None:
    network = MixedNetwork(Times(2.0), [times(3.0, 5.0), times(7.0)], Times(11.0))
    assert network.operator_counts == (2, 1)
    assert value(network(torch.tensor(1.0))) == 2 * 3 * 7 * 11
    network.gates = single([1, 0])
    assert value(network(torch.tensor(1.0))) == 2 * 5 * 7 * 11


def test_gumbel_weights_sum_to_one_and_repeat_from_the_seed() -> None:
    logits = [torch.tensor([0.3, -1.0, 2.0], requires_grad=True)]
    (gate,) = gumbel_gates(logits, 1.0, np.random.default_rng(3))
    (same,) = gumbel_gates(logits, 1.0, np.random.default_rng(3))
    assert len(set(gate.operators)) == 2
    assert gate.weights is not None
    assert same.weights is not None
    assert value(gate.weights.sum()) == pytest.approx(1)
    assert gate.operators == same.operators
    assert torch.equal(gate.weights, same.weights)


def test_gumbel_weights_are_the_softmax_of_noisy_logits() -> None:
    values, temperature = np.array([0.3, -1.0, 2.0]), 0.7
    noisy = values + np.random.default_rng(5).gumbel(size=3)
    logits = [torch.tensor(values, requires_grad=True)]
    (gate,) = gumbel_gates(logits, temperature, np.random.default_rng(5))
    assert gate.operators == tuple(np.argsort(-noisy)[:2])
    assert gate.weights is not None
    top = np.exp(np.sort(noisy)[::-1][:2] / temperature)
    np.testing.assert_allclose(gate.weights.detach().numpy(), top / top.sum(), rtol=1e-9)


def test_a_low_temperature_leaves_one_operator() -> None:
    logits = [torch.zeros(4, requires_grad=True)]
    (gate,) = gumbel_gates(logits, 1e-3, np.random.default_rng(0))
    assert gate.weights is not None
    assert value(gate.weights[0]) == pytest.approx(1)


def test_first_of_the_gumbel_sample_follows_the_probabilities() -> None:
    probabilities = np.array([0.1, 0.6, 0.3])
    logits = [torch.tensor(np.log(probabilities))]
    rng = np.random.default_rng(0)
    first = [gumbel_gates(logits, 1.0, rng)[0].operators[0] for _ in range(2000)]
    paths = [draw_path(logits, rng)[0] for _ in range(2000)]
    for drawn in (first, paths):
        shares = np.bincount(drawn, minlength=3) / 2000
        np.testing.assert_allclose(shares, probabilities, atol=0.04)


def test_logits_get_the_gradient_of_the_gumbel_mixture() -> None:
    logits = torch.tensor([0.4, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    layer = times(2.0, 3.0, 5.0).double()

    def mixed(values: torch.Tensor) -> torch.Tensor:
        gates = gumbel_gates([values], 0.8, np.random.default_rng(1))
        return layer(torch.tensor(1.5, dtype=torch.float64), gates[0]) ** 2

    assert torch.autograd.gradcheck(mixed, logits)
    (gradient,) = torch.autograd.grad(mixed(logits), logits)
    (gate,) = gumbel_gates([logits], 0.8, np.random.default_rng(1))
    absent = ({0, 1, 2} - set(gate.operators)).pop()
    assert gradient[absent] == 0
    assert value(gradient.sum()) == pytest.approx(0, abs=1e-12)


def test_fair_paths_deal_every_operator_equally_often() -> None:
    paths = FairPaths((3, 2), np.random.default_rng(0))
    drawn = np.array([paths.draw() for _ in range(12)])
    assert np.bincount(drawn[:, 0]).tolist() == [4, 4, 4]
    assert np.bincount(drawn[:, 1]).tolist() == [6, 6]
    for start in range(0, 12, 3):
        assert sorted(drawn[start : start + 3, 0]) == [0, 1, 2]
