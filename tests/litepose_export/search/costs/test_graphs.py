"""Graphs for timing compute what the networks do, in the form in which they are exported."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.errors import UnsupportedOpError  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.models.counting import count  # noqa: E402
from litepose_export.search.costs.forms import int8_form  # noqa: E402
from litepose_export.search.costs.graphs import macs_of, write_graph  # noqa: E402
from litepose_export.search.costs.measure import operator_graph  # noqa: E402
from litepose_export.search.costs.timing import random_feeds  # noqa: E402
from litepose_export.search.litepose.space import LitePoseSpace  # noqa: E402
from litepose_export.search.lrpose.space import LRPoseSpace  # noqa: E402

SMALL = Arch(8, (8, 16, 24, 32), (16, 16, 8), ((Block(),) * 2,) * 4)


def run(model, feeds=None):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, random_feeds(model) if feeds is None else feeds)


@pytest.fixture(scope="module")
def spaces():
    """Both spaces of supernets at a small size."""
    return (
        LRPoseSpace(3, [Size(32, 64)]),
        LitePoseSpace(3, [Size(32, 48)], kernels=True, depth=True, blocks=(2, 2, 2, 2)),
    )


@pytest.mark.parametrize("rewritten", [False, True])
def test_a_written_network_computes_what_the_network_does(rewritten):
    torch.manual_seed(0)
    network = LitePose(SMALL, 3).eval()
    model = write_graph(network, [(3, 32, 48)], rewrite_deconvolutions=rewritten)
    onnx.checker.check_model(model, full_check=True)
    kinds = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in kinds
    assert ("ConvTranspose" in kinds) is not rewritten
    (image,) = random_feeds(model).values()
    with torch.no_grad():
        wanted = network(torch.from_numpy(image))
    for maps, mine in zip(wanted, run(model), strict=True):
        np.testing.assert_allclose(mine, maps.numpy(), atol=1e-5)


def test_operators_of_a_network_have_all_of_its_multiply_accumulates(spaces):
    rng = np.random.default_rng(1)
    for space in spaces:
        for genes in (space.smallest, space.random(rng)):
            size = space.input_size(genes)
            parts = [macs_of(o.build(), o.inputs) for o in space.operators(space.canonical(genes))]
            assert sum(parts) == count(space.build(space.canonical(genes)), size).macs


def test_every_network_consists_of_known_operators(spaces):
    rng = np.random.default_rng(2)
    for space in spaces:
        known = {operator.key for operator in space.all_operators()}
        for _ in range(100):
            assert {o.key for o in space.operators(space.random(rng))} <= known


def test_operators_fit_together_and_take_codes_from_each_other(spaces):
    for space in spaces:
        for operator in space.operators(space.canonical(space.smallest)):
            graph = operator_graph(operator, integer=True)
            (value,) = run(graph)
            assert value.dtype == (np.float32 if operator.is_last else np.uint8)
            for given in graph.graph.input:
                kind = onnx.TensorProto.FLOAT if operator.is_first else onnx.TensorProto.UINT8
                assert given.type.tensor_type.elem_type == kind


def test_the_int8_form_is_the_quantizers():
    torch.manual_seed(0)
    model = write_graph(LitePose(SMALL, 3), [(3, 32, 48)], rewrite_deconvolutions=True)
    quantized = int8_form(model)
    kinds = [node.op_type for node in quantized.graph.node]
    assert kinds.count("QuantizeLinear") > 30
    weights = {i.name: i.data_type for i in quantized.graph.initializer}
    stored = [name for name, kind in weights.items() if kind == onnx.TensorProto.INT8]
    assert len(stored) > 20
    for float_maps, maps in zip(run(model), run(quantized), strict=True):
        assert np.abs(float_maps - maps).max() < 0.2 * np.abs(float_maps).max() + 0.05


def test_other_layers_are_refused_by_name():
    with pytest.raises(UnsupportedOpError, match="Sigmoid"):
        write_graph(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sigmoid()), [(3, 8, 8)])
