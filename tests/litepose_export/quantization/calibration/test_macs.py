"""How much of a network INT8 computes."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.to_onnx import export_graph  # noqa: E402
from litepose_export.models.counting import count  # noqa: E402
from litepose_export.quantization.calibration import macs, qdq  # noqa: E402

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
    assert sum(macs.macs_of_nodes(prepared).values()) == count(Layers(), Size(16, 8)).macs


def test_the_integer_part_is_what_is_not_left_float(prepared):
    assert macs.integer_part(prepared, ()) == 1
    each = macs.macs_of_nodes(prepared)
    name, own = next(iter(each.items()))
    assert macs.integer_part(prepared, [name]) == pytest.approx(1 - own / sum(each.values()))
