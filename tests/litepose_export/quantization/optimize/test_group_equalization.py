"""Equalization over whole groups of layers computes the same and evens out the channels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge import backends  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.to_onnx import export_graph  # noqa: E402
from litepose_export.quantization.calibration import qdq  # noqa: E402
from litepose_export.quantization.calibration.activations import channel_maxima  # noqa: E402
from litepose_export.quantization.optimize.group_equalization import (  # noqa: E402
    equalize_groups,
    find_groups,
)

SPEC = InputSpec(width=24, height=24, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
BATCHES = [
    np.random.default_rng(n).standard_normal((1, 3, 24, 24)).astype(np.float32) for n in range(6)
]


class Residual(nn.Module):
    """An inverted residual block, a sum, pools, and two kinds of transposed convolutions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.expand = nn.Conv2d(8, 16, 1)
        self.depthwise = nn.Conv2d(16, 16, 3, 1, 1, groups=16)
        self.project = nn.Conv2d(16, 8, 1)
        self.up = nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=8)
        self.up2 = nn.ConvTranspose2d(8, 6, 2, 2)
        self.predict = nn.Conv2d(6, 4, 1)
        with torch.no_grad():
            for layer in (self.stem, self.expand, self.depthwise, self.project):
                spread = torch.logspace(-1.5, 0.3, len(layer.weight))
                layer.weight *= spread[:, None, None, None]
            self.up.weight *= torch.logspace(0, -2, 8)[:, None, None, None]
            self.up.bias.copy_(torch.logspace(0, -2, 8))

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.stem(x)), 2)
        y = nn.functional.relu6(self.expand(x))
        y = self.project(nn.functional.relu6(self.depthwise(y)))
        x = torch.relu(self.up(x + y))
        return self.predict(torch.relu(self.up2(x)))


@pytest.fixture(scope="module")
def graphs():
    torch.manual_seed(0)
    prepared = qdq.prepare(export_graph(Residual(), SPEC, ["maps"]))
    return prepared, *equalize_groups(prepared, BATCHES)


def run(model):
    session = backends.open_bytes(model.SerializeToString())
    return np.concatenate([session.run(batch)["maps"] for batch in BATCHES])


def test_an_equalized_graph_computes_the_same(graphs):
    prepared, equal, _ = graphs
    np.testing.assert_allclose(run(equal), run(prepared), atol=1e-5)


def test_sums_depthwise_and_transposed_layers_belong_to_groups(graphs):
    prepared, _, count = graphs
    groups = find_groups(prepared)
    # The residual stream, both hidden tensors of the block, and what both transposed layers make.
    assert count == len(groups) == 5
    stream = max(groups, key=lambda group: len(group.writers))
    assert len(stream.writers) == len(stream.readers) == 2


def spread(model, name):
    found = channel_maxima(model, [name], BATCHES)[name]
    alive = found[found > 0]
    return float(alive.max() / alive.min())


def test_channels_become_more_alike(graphs):
    prepared, equal, _ = graphs
    up = next(n for n in prepared.graph.node if n.op_type == "ConvTranspose")
    assert spread(prepared, up.output[0]) > 30
    assert spread(equal, up.output[0]) < 10


def test_channels_that_reach_the_edge_of_a_relu6_stay(graphs):
    prepared, equal, _ = graphs
    clips = [n.output[0] for n in prepared.graph.node if n.op_type == "Clip"]
    before, after = (channel_maxima(model, clips, BATCHES) for model in (prepared, equal))
    for name in clips:
        cut = before[name] >= 5.4
        np.testing.assert_allclose(after[name][cut], before[name][cut], rtol=1e-5)
        assert after[name].max() <= 6
        assert (after[name][~cut] <= 5.4 + 1e-4).all()


def test_shared_weights_and_other_operators_are_left_alone():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

        def forward(self, x):
            x = torch.sigmoid(self.stem(x))
            return self.head(torch.relu(self.head(x)))

    torch.manual_seed(0)
    prepared = qdq.prepare(export_graph(Shared(), SPEC, ["maps"]))
    equal, count = equalize_groups(prepared, BATCHES)
    assert count == 0
    assert equal.SerializeToString() == prepared.SerializeToString()
