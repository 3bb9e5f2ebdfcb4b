"""Batch normalisations in places where they cannot be folded in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
from torch import nn  # noqa: E402

import litepose_export as lx  # noqa: E402
from litepose_edge import backends  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.to_onnx import export_graph  # noqa: E402
from litepose_export.models.folding import fold_batch_norms  # noqa: E402

SPEC = InputSpec(width=32, height=32, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))


def norm(**options):
    """With numbers that are no identity."""
    made = nn.BatchNorm2d(8, **options)
    rng = torch.Generator().manual_seed(0)
    for tensor in (made.weight, made.bias, made.running_mean, made.running_var):
        if tensor is not None:
            tensor.data = 0.5 + torch.rand(8, generator=rng)
    return made


def stem():
    return nn.Conv2d(3, 8, 3, stride=4, padding=1)


def shared_convolution():
    """One convolution in two places, each with a normalisation of its own."""
    shared = nn.Conv2d(8, 8, 3, padding=1, bias=False)
    first, second = nn.Sequential(shared, norm(), nn.ReLU()), nn.Sequential(shared, norm())
    return nn.Sequential(stem(), first, second)


def shared_weight():
    """Two convolutions of one kernel, as those of a detector's levels."""
    first, second = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))
    second.weight = first.weight
    return nn.Sequential(stem(), nn.Sequential(first, norm()), nn.Sequential(second, norm()))


class NormWithActivation(nn.BatchNorm2d):
    def forward(self, x):
        return torch.relu(super().forward(x))


def with_activation():
    made = NormWithActivation(8)
    made.load_state_dict(norm().state_dict())
    return nn.Sequential(stem(), made)


def grouped_deconvolution():
    return nn.Sequential(
        stem(), nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=4, bias=False), norm(), nn.ReLU()
    )


CASES = {
    "grouped deconvolution": grouped_deconvolution,
    "no weights": lambda: nn.Sequential(stem(), norm(affine=False), nn.ReLU()),
    "statistics of the batch": lambda: nn.Sequential(stem(), norm(track_running_stats=False)),
    "no numbers at all": lambda: nn.Sequential(
        stem(), norm(affine=False, track_running_stats=False)
    ),
    "shared convolution": shared_convolution,
    "shared weight": shared_weight,
    "activation inside": with_activation,
}


@pytest.mark.parametrize("case", CASES)
def test_the_graph_computes_what_the_network_does(case):
    torch.manual_seed(0)
    network = CASES[case]().eval()
    x = torch.randn(1, 3, 32, 32)
    wanted = network(x).detach().numpy()
    np.testing.assert_allclose(fold_batch_norms(network)(x).detach(), wanted, atol=1e-5)
    graph = export_graph(network, SPEC, ["heatmaps"])
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}
    found = backends.open_bytes(graph.SerializeToString()).run(x.numpy())["heatmaps"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


class SkipsNormalisation(nn.Module):
    """Reads a convolution of an `nn.Sequential` before its normalisation, too."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(stem(), norm())
        self.predict = nn.Sequential(nn.Conv2d(8, 17, 1), nn.BatchNorm2d(17))

    def forward(self, x):
        raw = self.stem[0](x)
        return self.predict(torch.relu(self.stem[1](raw)) + raw)


class ActivatesFirst(nn.Sequential):
    """Its own order: an activation between convolution and normalisation."""

    def forward(self, x):
        convolution, normalisation = self
        return normalisation(torch.relu(convolution(x)))


@pytest.mark.parametrize(
    "build",
    [
        SkipsNormalisation,
        lambda: nn.Sequential(ActivatesFirst(stem(), norm()), nn.Conv2d(8, 17, 1)),
    ],
)
def test_layers_of_a_sequence_may_be_used_apart(build, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "own.onnx"
    report = lx.export(build(), path, lx.heatmap_manifest("own", input_size=(64, 64)))
    assert report.tensor_difference <= 1e-4
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert "BatchNormalization" not in kinds
