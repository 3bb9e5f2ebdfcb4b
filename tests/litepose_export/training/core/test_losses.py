"""Losses on heatmaps, and what they mean for the exported file."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.training.core import targets  # noqa: E402
from litepose_export.training.core.losses import (  # noqa: E402
    LOSSES,
    activation,
    mean_squared_error,
    regressive_cross_entropy,
    residual_cross_entropy,
    spatial_cross_entropy,
)

ONE = torch.ones(1, 1)


def cell(value):
    return torch.tensor([value]).view(1, 1, 1, 1)


def gradient(loss, z, target):
    logits = cell(z).requires_grad_()
    loss(logits, cell(target), ONE, positive=0).backward()
    return float(logits.grad)


@pytest.mark.parametrize("loss", [regressive_cross_entropy, residual_cross_entropy])
@pytest.mark.parametrize("target", [0.3, 0.8])
def test_the_loss_is_least_where_the_heat_equals_the_target(loss, target):
    logits = torch.linspace(-6, 6, 241)
    losses = [loss(cell(float(z)), cell(target), ONE) for z in logits]
    best = logits[int(torch.stack(losses).argmin())]
    assert float(best.sigmoid()) == pytest.approx(target, abs=0.01)


@pytest.mark.parametrize("target", [0.0, 1.0])
@pytest.mark.parametrize("z", [-3.0, 0.5, 4.0])
def test_both_forms_are_the_cross_entropy_of_sure_targets(z, target):
    expected = torch.nn.functional.binary_cross_entropy_with_logits(cell(z), cell(target))
    for loss in (regressive_cross_entropy, residual_cross_entropy):
        torch.testing.assert_close(loss(cell(z), cell(target), ONE, positive=0), expected)


def test_the_gradient_is_heat_minus_target_even_far_off():
    assert gradient(regressive_cross_entropy, -12.0, 0.5) == pytest.approx(-0.5, abs=1e-4)


def test_the_residual_forms_gradient_vanishes_far_off():
    # The papers' facts give -.0035 and -.2975 at z = -6, y = .3.
    assert gradient(residual_cross_entropy, -6.0, 0.3) == pytest.approx(-0.0035, abs=2e-4)
    assert gradient(regressive_cross_entropy, -6.0, 0.3) == pytest.approx(-0.2975, abs=2e-4)


def test_squared_error_is_of_linear_heat():
    assert gradient(mean_squared_error, 0.25, 1.0) == pytest.approx(-1.5)
    assert activation("mse") == "linear"
    assert {activation(name) for name in LOSSES if name != "mse"} == {"sigmoid"}


@pytest.mark.parametrize("loss", LOSSES.values())
def test_ignored_joints_cost_nothing(loss):
    torch.manual_seed(0)
    z = torch.randn(1, 2, 4, 4)
    weights = torch.tensor([[1.0, 0.0]])
    target = torch.full((1, 2, 4, 4), 0.2)
    before = loss(z, target, weights)
    z[:, 1] += 100 * torch.randn(4, 4)
    assert loss(z, target, weights) == before


def test_the_places_loss_is_least_at_the_targets_shape_whatever_the_heat():
    target = targets.gaussian_maps(torch.tensor([[[5.3, 7.6]]]), 16, 12, sigma=1.0)
    at_target = spatial_cross_entropy(target.clamp(min=1e-12).log(), target, ONE)
    raised = spatial_cross_entropy(target.clamp(min=1e-12).log() + 3, target, ONE)
    torch.testing.assert_close(at_target, raised)
    moved = targets.gaussian_maps(torch.tensor([[[6.3, 7.6]]]), 16, 12, sigma=1.0)
    assert spatial_cross_entropy(moved.clamp(min=1e-12).log(), target, ONE) > at_target + 0.3


PLACED = [("rce", "rce-place"), ("rce-residual", "rce-residual-place")]


@pytest.mark.parametrize(("heat", "placed"), PLACED)
def test_an_absent_joint_has_no_place_but_must_have_no_heat(heat, placed):
    z, empty = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    assert spatial_cross_entropy(z, empty, ONE) == 0
    assert LOSSES[placed](z, empty, ONE) == LOSSES[heat](z, empty, ONE) > 0


@pytest.mark.parametrize(("heat", "placed"), PLACED)
def test_a_joints_place_is_worth_120_cells_of_heat_at_every_size(heat, placed):
    torch.manual_seed(0)
    for height, width in ((16, 12), (24, 18)):
        at = torch.tensor([[[5.3, 7.6]]])
        target = targets.gaussian_maps(at, height, width, sigma=1.0)
        z = torch.randn(1, 1, height, width)
        place = LOSSES[placed](z, target, ONE) - LOSSES[heat](z, target, ONE)
        expected = spatial_cross_entropy(z, target, ONE)
        torch.testing.assert_close(place * height * width, 120 * expected)
