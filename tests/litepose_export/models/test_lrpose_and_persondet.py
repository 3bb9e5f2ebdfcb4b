"""The networks: sizes, shapes, and what is left of them in ONNX."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.to_onnx import GraphOptions, export_graph  # noqa: E402
from litepose_export.models import folding  # noqa: E402
from litepose_export.models.architectures.lrpose import ARCHS, Arch, LRPose  # noqa: E402
from litepose_export.models.architectures.persondet import (  # noqa: E402
    PersonDet,
    cell_centres,
    flatten,
    to_boxes,
)

SMALL = InputSpec(width=32, height=64, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
FREE = GraphOptions(dynamic_batch=True)

LIMITS = {"n": 1.5e6, "s": 2.5e6, "m": 3.8e6}


@pytest.mark.parametrize("size", LIMITS)
def test_a_size_stays_below_its_limit_and_keeps_stride_8(size):
    network = LRPose(size).eval()
    assert sum(p.numel() for p in network.parameters()) <= LIMITS[size]
    assert network(torch.zeros(2, 3, 64, 96)).shape == (2, 17, 8, 12)


@pytest.mark.parametrize("size", ["s", "m"])
def test_a_new_context_adds_nothing(size):
    torch.manual_seed(0)
    without = LRPose(Arch(ARCHS[size].trunk)).eval()
    nn.init.normal_(without.predict.weight)
    network = LRPose(size).eval()
    added = network.load_state_dict(without.state_dict(), strict=False)
    assert not added.unexpected_keys
    assert {name.split(".")[0] for name in added.missing_keys} == {"context"}
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(without(images), network(images))
        nn.init.ones_(network.context.back[1].weight)
        assert not torch.allclose(without(images), network(images))


@pytest.mark.parametrize(
    ("size", "height", "width", "sees_all"),
    [
        (Arch(ARCHS["s"].trunk), 256, 192, False),
        ("n", 192, 128, True),
        ("s", 256, 192, True),
        ("m", 320, 256, True),
    ],
)
def test_with_context_a_cell_in_the_middle_sees_the_whole_crop(size, height, width, sees_all):
    torch.manual_seed(0)
    network = LRPose(size).eval()
    nn.init.normal_(network.predict.weight)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # new blocks are the identity and see nothing
            nn.init.ones_(module.weight)
    image = torch.rand(1, 3, height, width, requires_grad=True)
    network(image)[0, 0, height // 16, width // 16].backward()
    assert bool((image.grad[0, :, -4:] != 0).any()) is sees_all


def test_lrpose_holds_only_layers_with_fast_int8_kernels():
    for module in LRPose("s").modules():
        assert not isinstance(module, nn.ConvTranspose2d)
        if isinstance(module, nn.Conv2d):
            assert module.groups == 1
            assert module.kernel_size in ((1, 1), (3, 3))


def test_an_untrained_network_gives_low_scores():
    with torch.no_grad():
        heat = LRPose("n").eval()(torch.randn(1, 3, 64, 32)).sigmoid()
    assert heat.max() < 0.2


def test_the_detectors_levels_join_into_boxes_around_their_cells():
    network = PersonDet().eval()
    with torch.no_grad():
        levels = network(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape) for level in levels] == [
        (1, 5, 8, 12), (1, 5, 4, 6), (1, 5, 2, 3),
    ]  # fmt: skip
    raw = flatten(levels)
    centres, strides = cell_centres(64, 96)
    assert raw.logits.shape == (1, len(centres))
    boxes = to_boxes(torch.zeros(1, len(centres), 4), centres, strides)
    torch.testing.assert_close(boxes[0, :, :2], centres - strides[:, None])
    # The second cell of the first row of the finest level.
    assert centres[1].tolist() == [11.5, 3.5]


def test_folding_changes_nothing_but_the_layers():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 4, 2, 1, bias=False), nn.BatchNorm2d(6),
        nn.Conv2d(6, 4, 1), nn.BatchNorm2d(4),
    )  # fmt: skip
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    folded = folding.fold_batch_norms(network)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    image = torch.randn(2, 3, 10, 12)
    with torch.no_grad():
        torch.testing.assert_close(folded(image), network.eval()(image), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def graph():
    torch.manual_seed(0)
    return export_graph(LRPose("n"), SMALL, ["heatmaps"], FREE)


def test_the_graph_takes_and_gives_what_the_manifest_says(graph):
    onnx.checker.check_model(graph)
    (given,), (output,) = graph.graph.input, graph.graph.output
    assert given.name == "image"
    assert output.name == "heatmaps"
    shape = given.type.tensor_type.shape.dim
    assert shape[0].dim_param == "N"
    assert [d.dim_value for d in shape[1:]] == [3, 64, 32]
    assert graph.opset_import[0].version >= 18
    kinds = {node.op_type for node in graph.graph.node}
    assert "BatchNormalization" not in kinds
    assert kinds <= {"Conv", "Relu", "Add", "Resize"}


def test_the_same_weights_give_the_same_bytes(graph):
    torch.manual_seed(0)
    again = export_graph(LRPose("n"), SMALL, ["heatmaps"], FREE)
    assert again.SerializeToString(deterministic=True) == graph.SerializeToString(
        deterministic=True
    )


class NormOfASum(nn.Module):
    """A normalisation of what a ReLU made of convolutions: there is nothing to fold it into."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(torch.relu(self.first(x) + self.second(x)))


def test_a_normalisation_behind_no_layer_becomes_a_product():
    graph = export_graph(NormOfASum(), SMALL, ["y"])
    assert [node.op_type for node in graph.graph.node][-2:] == ["Relu", "Mul"]  # it shifts by 0
