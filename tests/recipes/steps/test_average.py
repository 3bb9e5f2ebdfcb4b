"""The mean of two checkpoints."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.errors import CheckpointError  # noqa: E402
from litepose_export.models import checkpoints  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402
from recipes.steps.average import average  # noqa: E402


def test_the_mean_of_two_checkpoints_is_between_them(tmp_path):
    networks = [LRPose("n") for _ in range(2)]
    for network in networks:  # new ones agree about the statistics of their normalisations
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.running_mean)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
    paths = [tmp_path / f"{i}.pt" for i in range(2)]
    for network, path in zip(networks, paths, strict=True):
        torch.save({"average": network.state_dict(), "metadata": {"activation": "linear"}}, path)
    average(*paths, 0.25, tmp_path / "mean.pt")
    first, second = (network.state_dict() for network in networks)
    mean = initialization.read_average(LRPose("n"), tmp_path / "mean.pt").state_dict()
    for name in (k for k, t in first.items() if t.is_floating_point()):
        torch.testing.assert_close(mean[name], 0.75 * first[name] + 0.25 * second[name])
    assert checkpoints.read_metadata(tmp_path / "mean.pt") == {"activation": "linear"}
    torch.save({"average": LRPose("s").state_dict()}, paths[1])
    with pytest.raises(CheckpointError, match="different networks"):
        average(*paths, 0.5, tmp_path / "none.pt")
