"""Which nodes stay in float: named by patterns, ranked, searched for."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from litepose_export.conversion.to_onnx import export_graph  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.quantization.calibration.macs import integer_part  # noqa: E402
from litepose_export.quantization.mixed_precision import float_nodes, sensitivity  # noqa: E402
from litepose_export.quantization.mixed_precision.sensitivity import Sensitivity  # noqa: E402
from litepose_export.quantization.optimize.cross_layer_equalization import find_pairs  # noqa: E402


def convolutions(model):
    return [n.name for n in model.graph.node if n.op_type == "Conv"]


def test_head_is_what_writes_the_outputs_and_stem_what_reads_the_image(prepared):
    names = convolutions(prepared)
    assert float_nodes.select(prepared, ["head"])[0] == names[-1]
    assert float_nodes.select(prepared, ["stem"]) == (names[0],)
    assert names[-2] in float_nodes.select(prepared, ["head:2"])


def test_operators_and_subgraphs_can_be_named(prepared):
    assert float_nodes.select(prepared, ["op:Conv"]) == tuple(sorted(convolutions(prepared)))
    first = next(n for n in prepared.graph.node if n.op_type == "Conv")
    before = float_nodes.select(prepared, [f"..{first.output[0]}"])
    after = float_nodes.select(prepared, [f"{first.output[0]}.."])
    assert before == (first.name,)
    assert len(before) + len(after) == len(prepared.graph.node)


def test_residual_is_every_sum_and_the_convolution_that_writes_into_it(prepared):
    names = convolutions(prepared)
    (total,) = [n.name for n in prepared.graph.node if n.op_type == "Add"]
    assert float_nodes.select(prepared, ["residual"]) == tuple(sorted([total, names[2]]))


@pytest.mark.parametrize("pattern", ["op:Nothing", "head:0", "somewhere", "a..b"])
def test_patterns_that_mean_nothing_are_refused(prepared, pattern):
    with pytest.raises(ExportError):
        float_nodes.select(prepared, [pattern])


def test_depthwise_layers_in_front_of_the_last_stay_float(spec):
    network = LitePose(Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4))
    model = export_graph(
        network, msgspec.structs.replace(spec, width=48, height=64), ["coarse", "fine"]
    )
    chosen = float_nodes.output_layers(model)
    left = [node for node in model.graph.node if node.name in chosen]
    kernels = []
    for node in left:
        values = {a.name: a for a in node.attribute}
        if node.op_type == "Conv":
            kernels.append((values["kernel_shape"].ints[0], values["group"].i > 1))
    assert sorted(kernels) == [(1, False)] * 4 + [(5, True)] * 4
    assert sum(node.op_type == "Relu" for node in left) == 4
    assert sum(node.op_type == "Conv" for node in model.graph.node) > 8


def test_the_node_that_does_the_harm_is_ranked_first(prepared, ranges, metric, spec):
    (pair,) = find_pairs(prepared)
    low, high = ranges[pair.tensor]
    wide = {**ranges, pair.tensor: (low, 200 * high)}
    ranked = sensitivity.rank(prepared, wide, "u8s8-reduced", [], metric, spec.shape)
    harmful = max(ranked, key=lambda item: item.alone)
    assert harmful.output in (pair.tensor, pair.first.output[0], pair.second.output[0])
    assert all(a.alone >= 0 for a in ranked)


@pytest.mark.parametrize("needed", [0, 1, 5, 8])
def test_the_search_finds_the_shortest_beginning_that_passes(needed):
    names = tuple(str(n) for n in range(8))
    asked = []

    def passes(nodes):
        asked.append(nodes)
        return len(nodes) >= needed

    found = sensitivity.smallest_beginning(names, passes)
    assert found == tuple(str(n) for n in range(needed))
    assert len(asked) <= 5


def test_a_search_that_nothing_satisfies_says_so():
    assert sensitivity.smallest_beginning(("a",), lambda nodes: False) is None


def test_layers_are_ranked_by_the_harm_that_they_do_alone(prepared, ranges, metric, spec):
    (pair,) = find_pairs(prepared)
    wide = {**ranges, pair.tensor: (0, 200 * ranges[pair.tensor][1])}
    ranked = sensitivity.rank_layers(prepared, wide, "u8s8-reduced", [], metric, spec.shape)
    assert {item.op_type for item in ranked} == {"Conv"}
    assert max(ranked, key=lambda item: item.alone).node in (pair.first.name, pair.second.name)
    assert sum(item.operations for item in ranked) == pytest.approx(1)


def test_no_more_layers_stay_float_than_leave_the_file_worth_it(prepared, spec):
    names = convolutions(prepared)
    ranked = [Sensitivity(name, "Conv", name, 1.0, 1.0, 0.1) for name in names]
    chosen = sensitivity.affordable(ranked, prepared, spec.shape, (), 0.5)
    assert 0 < len(chosen) < len(names)
    assert integer_part(prepared, spec.shape, chosen) >= 0.5
    assert sensitivity.affordable(ranked, prepared, spec.shape, names[:-1], 0.5) == ()


def test_what_reads_the_pixels_is_found_behind_their_rearrangement():
    rearrange = helper.make_node("SpaceToDepth", ["image"], ["x"], name="focus", blocksize=2)
    first = helper.make_node("Conv", ["x", "w"], ["y"], name="first")
    second = helper.make_node("Conv", ["y", "v"], ["z"], name="second")
    weights = [
        numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in (("w", (4, 12, 1, 1)), ("v", (4, 4, 1, 1)))
    ]
    image, output = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("image", "z")
    )
    graph = helper.make_graph([rearrange, first, second], "g", [image], [output], weights)
    assert float_nodes.input_layers(helper.make_model(graph)) == ("first",)


def test_operations_are_counted_as_multiply_accumulates(prepared, spec):
    work = sensitivity.operations(prepared, spec.shape)
    first = convolutions(prepared)[0]
    assert work[first] == 8 * 16 * 12 * 3 * 3 * 3


def test_default_patterns_may_match_nothing_and_given_ones_may_not(prepared):
    assert float_nodes.select(prepared, ["op:Gemm"], lenient=True) == ()
    with pytest.raises(ExportError, match="matches no node"):
        float_nodes.select(prepared, ["op:Gemm"])
