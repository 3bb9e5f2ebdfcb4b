"""How much of a network INT8 computes."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.to_onnx import GraphOptions, export_graph  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.models.counting import count  # noqa: E402
from litepose_export.quantization.calibration import macs, qdq  # noqa: E402
from litepose_export.quantization.mixed_precision import sensitivity  # noqa: E402

SPEC = InputSpec(width=16, height=8, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.grouped = nn.Conv2d(8, 8, 3, 1, 1, groups=4)
        self.up = nn.ConvTranspose2d(8, 4, 4, 2, 1)
        self.linear = nn.Linear(16, 5)

    def forward(self, x):
        return self.linear(torch.relu(self.up(torch.relu(self.grouped(self.conv(x))))))


@pytest.fixture(scope="module")
def prepared():
    torch.manual_seed(0)
    return qdq.prepare(export_graph(Layers(), SPEC, ["y"]))


def test_layers_are_counted_as_pytorch_counts_them(prepared):
    assert (
        sum(macs.macs_of_nodes(prepared, SPEC.shape).values()) == count(Layers(), Size(16, 8)).macs
    )


def test_the_integer_part_is_what_is_not_left_float(prepared):
    assert macs.integer_part(prepared, SPEC.shape, ()) == 1
    each = macs.macs_of_nodes(prepared, SPEC.shape)
    name, own = next(iter(each.items()))
    assert macs.integer_part(prepared, SPEC.shape, [name]) == pytest.approx(
        1 - own / sum(each.values())
    )


@pytest.mark.parametrize("uint8", [False, True])
def test_a_graph_of_free_size_counts_as_one_of_its_manifests_size(uint8):
    network = LitePose(Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)).eval()
    spec = InputSpec(
        width=64, height=96, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1),
        dtype="uint8" if uint8 else "float32",
    )  # fmt: skip
    works = []
    for free in (False, True):
        options = GraphOptions(dynamic_batch=free, dynamic_size=free, uint8=uint8)
        graph = qdq.prepare(export_graph(network, spec, ["coarse", "fine"], options))
        each = macs.macs_of_nodes(graph, spec.shape)
        work = sensitivity.operations(graph, spec.shape)
        works.append(sorted(work[name] for name in each))
        assert sum(each.values()) == count(network, spec.size).macs
    assert works[0] == works[1]
