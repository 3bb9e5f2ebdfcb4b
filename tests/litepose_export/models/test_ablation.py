"""The network of the ablation study: what its parts cost, and that it folds."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.models.architectures.ablation import AblationPose, Parts  # noqa: E402
from litepose_export.models.counting import count  # noqa: E402
from litepose_export.models.folding import fold_batch_norms  # noqa: E402

SIZE = Size(96, 128)


def test_each_part_adds_its_own_cost():
    def macs(**parts):
        return count(AblationPose(Parts(**parts)), SIZE).macs

    assert macs(stride=16) < macs() < macs(stride=4)
    assert macs(kernel=3) < macs(kernel=5) < macs(kernel=7)
    assert macs() < macs(refinement=True)
    plain = macs(stride=4, head="deconv")
    assert plain < macs(stride=4, head="fusion")
    # A depthwise 3x3 over 32 channels of 32x24 cells.
    assert macs(stride=4, head="deconv", correction=True) - plain == 9 * 32 * 32 * 24


@pytest.mark.parametrize("head", ["deconv", "fusion"])
def test_folded_and_rewritten_heads_compute_the_same(head):
    torch.manual_seed(0)
    network = AblationPose(Parts(stride=4, head=head), bias=0)
    torch.nn.init.normal_(network.predict.weight)
    image = torch.randn(2, 3, SIZE.height, SIZE.width)
    network.train()
    network(image)  # statistics that are not 0 and 1
    network.eval()
    folded = fold_batch_norms(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    expected = network(image).detach()
    scale = expected.std()
    assert ((folded(image) - expected).abs().max() / scale).item() < 1e-3
    folded.head.rewrite_deconvolutions()
    assert not any(isinstance(m, torch.nn.ConvTranspose2d) for m in folded.modules())
    assert ((folded(image) - expected).abs().max() / scale).item() < 1e-3


def test_impossible_parts_are_refused():
    with pytest.raises(ValueError, match="stride 4, 8 or 16"):
        Parts(stride=2)
    with pytest.raises(ValueError, match="end at stride 4"):
        Parts(head="deconv")
