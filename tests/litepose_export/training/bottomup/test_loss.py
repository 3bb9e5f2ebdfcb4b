"""The loss of bottom-up networks on a batch of views."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.training.bottomup.associative_loss import LossWeights  # noqa: E402
from litepose_export.training.bottomup.loss import BottomUpLoss  # noqa: E402
from litepose_export.training.bottomup.views import ViewSampler, load_photographs  # noqa: E402
from training_samples import PLAIN_VIEWS  # noqa: E402

TINY = Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)


def test_a_few_steps_make_the_loss_smaller_and_gradients_reach_the_tags(photo_dataset):
    torch.manual_seed(0)
    photographs = load_photographs([read_coco(photo_dataset)])
    batch = ViewSampler(photographs, PLAIN_VIEWS, seed=0).draw(8, Size(64, 64), (1.0,))
    network = LitePose(TINY)
    loss = BottomUpLoss(LossWeights(positive=8, tags=0.01), depthwise_every=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        value = loss(network, batch)
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert losses[-1] < 0.7 * losses[0]
    for layer in (network.final_refined[0].conv[3], network.final_raw[0].conv[3]):
        assert layer.weight.grad[17:].abs().max() > 0


def test_depthwise_kernels_get_a_gradient_once_in_a_few_steps_and_others_always(photo_dataset):
    photographs = load_photographs([read_coco(photo_dataset)])
    batch = ViewSampler(photographs, PLAIN_VIEWS, seed=0).draw(2, Size(64, 64), (1.0,))
    network = LitePose(TINY)
    loss = BottomUpLoss(depthwise_every=3)
    depthwise, dense = network.stage[0][0].depth_conv[0], network.stage[0][0].inv[0]
    moved = []
    for _ in range(6):
        network.zero_grad(set_to_none=True)
        loss(network, batch).backward()
        assert dense.weight.grad is not None
        moved.append(depthwise.weight.grad is not None)
    assert moved == [False, False, True] * 2
