"""Which optimiser takes which weights."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.core.optimizers import make_optimizers  # noqa: E402
from litepose_export.training.core.schedule import Schedule  # noqa: E402


def test_muon_takes_hidden_kernels_and_adamw_the_rest():
    network = LRPose("n")
    with_muon = make_optimizers(network, Schedule(muon_rate=0.02))
    hidden = {id(p) for group in with_muon[1].param_groups for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in hidden}
    assert "trunk.stem.0.weight" not in names
    assert "predict.weight" not in names
    assert "trunk.stage_16.0.expand.0.weight" in names
    rest = sum(len(group["params"]) for group in with_muon[0].param_groups)
    assert rest + len(hidden) == len(list(network.parameters()))
    assert len(make_optimizers(network, Schedule(muon_rate=None))) == 1


TINY = Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)


def test_muon_leaves_a_prediction_without_a_bias_to_adamw():
    """LitePose's last layers have no bias either, and no normalisation behind them."""
    network = LitePose(TINY)
    _, by_muon = make_optimizers(network, Schedule())
    hidden = {id(p) for group in by_muon.param_groups for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in hidden}
    assert "stage.0.0.inv.0.weight" in names
    assert not any(name.startswith("final") for name in names)
    assert not any("depth_conv" in name for name in names)
