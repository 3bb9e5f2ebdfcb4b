"""Slimming a trained network: which channels stay, and what the rest computes."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.models.architectures.layers import FusedBlock  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.distillation.slimming import choose, slim  # noqa: E402


def test_the_regressors_that_make_the_target_are_chosen():
    torch.manual_seed(3)
    regressors = torch.randn(500, 12, dtype=torch.float64)
    # One of them is nearly another: both together explain no more than either.
    regressors[:, 7] = regressors[:, 4] + 0.01 * torch.randn(500, dtype=torch.float64)
    targets = regressors[:, [2, 4, 9]] @ torch.randn(3, 5, dtype=torch.float64)
    gram, cross = regressors.T @ regressors / 500, regressors.T @ targets / 500
    assert choose(gram, cross, 3).tolist() == [2, 4, 9]
    assert choose(gram, cross, 12).tolist() == list(range(12))


def trained(size: str) -> LRPose:
    """A network whose normalisations and residual branches are not those of a fresh one."""
    torch.manual_seed(7)
    network = LRPose(size)
    for block in network.modules():
        if isinstance(block, FusedBlock) and block.residual:
            torch.nn.init.uniform_(block.project[1].weight, 0.2, 0.6)
    network.train()(torch.randn(8, 3, 192, 160))
    return network.eval()


@torch.no_grad()
def test_channels_and_blocks_that_do_nothing_go_without_a_trace():
    narrow, wide = LRPose("n"), trained("s")
    # As large as in a trained one: beside the bias of -4.5 new ones drown in float32.
    torch.nn.init.normal_(wide.predict.weight)
    kept = dict(narrow.named_modules())
    for name, block in wide.named_modules():
        if isinstance(block, FusedBlock) and name not in kept:
            torch.nn.init.zeros_(block.project[1].weight)
            torch.nn.init.zeros_(block.project[1].bias)
        elif isinstance(block, FusedBlock):
            unused = torch.randperm(block.expand[0].out_channels)
            unused = unused[kept[name].expand[0].out_channels :]
            block.expand[1].weight[unused] = 0
            block.expand[1].bias[unused] = 0
    images = torch.randn(16, 3, 192, 160)
    slim(narrow, wide, images)
    # The stage at stride 32 adds nothing in either: it starts silent.
    expected = wide(images)
    assert (narrow.eval()(images) - expected).abs().max() < 0.01 * expected.std()


@torch.no_grad()
def test_what_is_left_does_better_than_channels_taken_as_they_come():
    wide, narrow, plain = trained("s"), LRPose("n"), LRPose("n")
    images = torch.randn(16, 3, 192, 160)
    expected = wide.trunk(images)[1]
    slim(narrow, wide, images)
    state = plain.state_dict()
    cut = {
        name: value[tuple(slice(n) for n in state[name].shape)]
        for name, value in wide.state_dict().items()
        if name in state
    }
    plain.load_state_dict(cut)

    def error(network: LRPose) -> float:
        return float((network.eval().trunk(images)[1] - expected).square().mean())

    assert error(narrow) < 0.5 * error(plain)
