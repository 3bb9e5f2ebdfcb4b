"""Equalization, simulation, GPTQ, fine-tuning and bias correction, each on a small graph."""

from __future__ import annotations

import itertools
import warnings

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from litepose_edge import backends  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.sample_inputs import Inputs  # noqa: E402
from litepose_export.conversion.to_onnx import GraphOptions, export_graph  # noqa: E402
from litepose_export.errors import UnsupportedOpError  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.quantization.calibration import qdq  # noqa: E402
from litepose_export.quantization.calibration.activations import channel_maxima, channel_means  # noqa: E402
from litepose_export.quantization.mixed_precision import float_nodes  # noqa: E402
from litepose_export.quantization.optimize.bias_correction import correct_biases  # noqa: E402
from litepose_export.quantization.optimize.cross_layer_equalization import equalize, find_pairs  # noqa: E402
from litepose_export.quantization.optimize.fake_quantize import fake_quantize  # noqa: E402
from litepose_export.quantization.optimize.finetune import (  # noqa: E402
    FinetuneOptions,
    finetune_to_float,
    mirrored_batches,
)
from litepose_export.quantization.optimize.gptq import round_rows, round_weights  # noqa: E402
from litepose_export.quantization.optimize.qdq_editor import QdqEditor  # noqa: E402
from litepose_export.quantization.optimize.simulation import QdqNetwork  # noqa: E402


def test_an_equalized_graph_computes_the_same_with_channels_of_equal_range(prepared, batches, run):
    equal, pairs = equalize(prepared, batches, strength=1.0)
    assert pairs == 1
    (pair,) = find_pairs(prepared)
    before = channel_maxima(prepared, [pair.tensor], batches)[pair.tensor]
    after = channel_maxima(equal, [pair.tensor], batches)[pair.tensor]
    alive = before > 0
    assert before[alive].max() / before[alive].min() > 10
    np.testing.assert_allclose(after[alive], after[alive].max(), rtol=1e-4)
    np.testing.assert_allclose(run(equal, batches[0]), run(prepared, batches[0]), atol=1e-5)


@pytest.mark.parametrize("shared", ["both", "first", "bias"])
def test_layers_that_share_weights_with_others_are_left_alone(shared, run):
    rng = np.random.default_rng(0)

    def kernel(outputs, inputs, side):
        spread = np.logspace(-2, 0, outputs)[:, None, None, None]
        return (spread * rng.standard_normal((outputs, inputs, side, side))).astype(np.float32)

    sizes = {"stem": (8, 3, 3), "down": (8, 8, 3)}
    for level in ("fine", "coarse"):
        sizes |= {f"tower_{level}": (8, 8, 3), f"predict_{level}": (8, 8, 1)}
    weights = {name: kernel(*size) for name, size in sizes.items()}
    weights |= {f"{name}_bias": rng.standard_normal(8).astype(np.float32) for name in sizes}

    def layer(name, source, target, suffix="", **attributes):
        inputs = [source, name.replace(suffix, "_fine") if suffix else name]
        return helper.make_node("Conv", [*inputs, f"{inputs[1]}_bias"], [target], **attributes)

    nodes = [
        layer("stem", "image", "fine", pads=[1] * 4),
        layer("down", "fine", "coarse", pads=[1] * 4, strides=[2, 2]),
    ]
    for level in ("fine", "coarse"):
        tower = layer(f"tower_{level}", level, f"{level}_hidden", f"_{level}", pads=[1] * 4)
        own = "" if shared != "both" else f"_{level}"
        predict = layer(f"predict_{level}", f"{level}_relu", f"{level}_maps", own)
        if shared == "bias":
            tower.input[1] = f"tower_{level}"
        nodes += [tower, helper.make_node("Relu", [f"{level}_hidden"], [f"{level}_relu"]), predict]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, side, side])
        for name, channels, side in (("image", 3, 16), ("fine_maps", 8, 16), ("coarse_maps", 8, 8))
    ]
    used = {name for node in nodes for name in node.input}
    stored = [numpy_helper.from_array(v, name) for name, v in weights.items() if name in used]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    batch = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    equal, pairs = equalize(qdq.prepare(model), [batch])
    assert pairs == 0
    before, after = (backends.open_bytes(m.SerializeToString()).run(batch) for m in (model, equal))
    for name, maps in before.items():
        np.testing.assert_allclose(after[name], maps, atol=1e-4 * np.abs(maps).max())


def test_fake_quantization_rounds_to_the_nearest_code_and_clips():
    x = torch.tensor([-3.0, -0.26, 0.24, 0.26, 100.0])
    rounded = fake_quantize(x, torch.tensor(0.5), 3.0, 0, 255)
    assert rounded.tolist() == [-1.5, -0.5, 0.0, 0.5, 100.0]
    assert fake_quantize(x, torch.tensor(0.1), 0.0, 0, 255)[-1] == pytest.approx(25.5)


def test_gradients_pass_inside_the_range_and_move_the_scale_as_published():
    x = torch.tensor([0.3, 0.9, 30.0], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    fake_quantize(x, scale, 0.0, 0, 10).sum().backward()
    assert x.grad.tolist() == [1, 1, 0]
    # Rounding errors inside, (1 - 0.6) and (2 - 1.8), the largest code outside.
    assert scale.grad.item() == pytest.approx((1 - 0.6) + (2 - 1.8) + 10, rel=1e-5)


def test_a_scale_for_each_row_gets_a_gradient_for_each_row():
    x = torch.randn(4, 3, 2, 2, requires_grad=True)
    scale = torch.full((4, 1, 1, 1), 0.1, requires_grad=True)
    fake_quantize(x, scale, 0.0, -64, 64).square().sum().backward()
    assert scale.grad.shape == scale.shape


def test_the_simulation_gives_the_engines_numbers(quantized, batches, run):
    network = QdqNetwork(quantized, 64)
    with torch.no_grad():
        (found,) = network(torch.from_numpy(batches[0]))
    np.testing.assert_allclose(found.numpy(), run(quantized, batches[0]), atol=2e-2)
    error = np.abs(found.numpy() - run(quantized, batches[0])).mean()
    assert error < 1e-3


def test_a_simulation_that_learned_nothing_writes_the_graph_it_read(quantized, batches, run):
    written = QdqNetwork(quantized, 64).to_model()
    np.testing.assert_allclose(run(written, batches[0]), run(quantized, batches[0]), atol=1e-3)


@pytest.mark.parametrize("moved", [0.0, -0.005, -3.0])
def test_biases_of_hardly_any_weights_are_written_as_they_were_simulated(
    moved, prepared, ranges, batches, run
):
    faint = onnx.ModelProto()
    faint.CopyFrom(prepared)
    layer = [n for n in faint.graph.node if n.op_type == "Conv"][1]
    for name, factor, shift in zip(layer.input[1:3], (1e-7, 0), (0, 0.5), strict=True):
        stored = next(i for i in faint.graph.initializer if i.name == name)
        values = numpy_helper.to_array(stored).copy()
        values[0] = values[0] * factor + shift
        stored.CopyFrom(numpy_helper.from_array(values, name))
    network = QdqNetwork(qdq.write_qdq(faint, ranges, "u8s8-reduced", ()), 64)
    with torch.no_grad():
        for scale in network.scales.values():
            scale += moved
        found = network(torch.from_numpy(batches[0]))[0].numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = run(network.to_model(), batches[0])
    assert np.abs(written - found).mean() < 0.01 * np.abs(found).max()


def test_what_cannot_be_simulated_is_named(quantized):
    strange = onnx.ModelProto()
    strange.CopyFrom(quantized)
    next(n for n in strange.graph.node if n.op_type == "Resize").op_type = "Upsample"
    with pytest.raises(UnsupportedOpError, match="Upsample"):
        QdqNetwork(strange, 64)


def test_gptq_lets_errors_cancel_on_inputs_that_move_together():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(4000, 6)) @ rng.normal(size=(6, 40))
    weights = rng.normal(size=(10, 40))
    scale = np.abs(weights).max(axis=1) / 64
    covariance = np.cov(inputs.T) + 1e-3 * np.eye(40)
    codes, scales = round_rows(weights, scale, covariance, 64)
    assert np.abs(codes).max() <= 64
    assert (codes == np.round(codes)).all()
    nearest = np.round(weights / scale[:, None]) * scale[:, None]
    errors = [((weights - w) @ inputs.T).var() for w in (nearest, codes * scales[:, None])]
    assert errors[1] < 0.2 * errors[0]


def test_gptq_on_unrelated_inputs_is_rounding_to_the_nearest():
    weights = np.random.default_rng(0).normal(size=(3, 20))
    scale = np.abs(weights).max(axis=1) / 127
    codes, scales = round_rows(weights, scale, np.eye(20), 127)
    np.testing.assert_array_equal(codes, np.round(weights / scales[:, None]).clip(-127, 127))


@pytest.mark.parametrize("part", [0.01, 0.8, 0.99])
def test_a_channel_of_hardly_any_weights_keeps_its_bias(part, prepared, ranges, batches):
    """A narrower scale would take the bias beyond the 32 bits of which it fills a part."""

    def written(weight: float) -> tuple[onnx.ModelProto, onnx.ModelProto, QdqEditor]:
        faint = onnx.ModelProto()
        faint.CopyFrom(prepared)
        for name, value in zip(layer.input[1:3], (weight, 0.7), strict=True):
            stored = next(i for i in faint.graph.initializer if i.name == name)
            values = onnx.numpy_helper.to_array(stored).copy()
            # Halfway between two codes but for one: a narrower scale is the better one.
            values[0] = value * 10.5 / 64 if values.ndim > 1 else value
            if values.ndim > 1:
                values[0, 0, 0, 0] = value
            stored.CopyFrom(onnx.numpy_helper.from_array(values, name))
        coarse = qdq.write_qdq(faint, ranges, "u8s8-reduced", float_nodes.select(faint, ["stem"]))
        return faint, coarse, QdqEditor(coarse)

    def bias_of(editor: QdqEditor) -> tuple[float, float]:
        node = next(n for n in editor.model.graph.node if n.name == layer.name)
        codes, scale = editor._makers[node.input[2]].input[:2]
        return float(editor.value(codes)[0]), float(editor.value(scale)[0])

    layer = [n for n in prepared.graph.node if n.op_type == "Conv" and len(n.input) > 2][1]
    _, of_bias = bias_of(written(1.0)[2])  # with weights of 1
    faint, coarse, editor = written(0.7 / (part * 2**31 * of_bias))
    assert abs(bias_of(editor)[0]) > min(0.5 * part, 0.3) * 2**31
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        better = round_weights(faint, coarse, batches, 64)
    code, scale = bias_of(QdqEditor(better))
    assert code * scale == pytest.approx(0.7, abs=0.01)


def test_codes_beyond_their_type_become_its_ends(prepared, ranges):
    quantized = qdq.write_qdq(
        prepared, ranges, "u8s8-reduced", float_nodes.select(prepared, ["stem"])
    )
    editor = QdqEditor(quantized)
    layer = [n for n in quantized.graph.node if n.op_type == "Conv" and editor.is_quantized(n)][-1]
    editor.add_to_bias(layer, np.full(len(editor.weight_scale(layer)), 1e12))
    codes = editor.value(editor._makers[layer.input[2]].input[0])
    assert (codes == np.iinfo(np.int32).max).all()


def test_gptq_brings_int8_nearer_to_float(prepared, ranges, batches, run):
    coarse = qdq.write_qdq(
        prepared, ranges, "u8s8-reduced", float_nodes.select(prepared, ["stem", "head", "residual"])
    )
    better = round_weights(prepared, coarse, batches, 64)
    several = np.concatenate(batches)
    wanted = run(prepared, several)
    errors = [np.square(run(m, several) - wanted).mean() for m in (coarse, better)]
    assert errors[1] < errors[0]


def test_fine_tuning_to_the_float_outputs_repairs_weights_that_were_spoiled(
    prepared, quantized, batches, run, manifest
):
    network = QdqNetwork(quantized, 64)
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for key, weight in network.weights.items():
            noise = rng.normal(0, 3, weight.shape).astype(np.float32)
            weight += torch.from_numpy(noise) * network.weight_scales[key]
    several = np.concatenate(batches)
    wanted = run(prepared, several)
    before = np.square(run(network.to_model(), several) - wanted).mean()
    options = FinetuneOptions(steps=60, codes=0.1)
    losses = finetune_to_float(network, prepared, manifest, itertools.repeat(several), options)
    after = np.square(run(network.to_model(), several) - wanted).mean()
    assert after < 0.3 * before
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize(
    "kind", [{}, {"layout": "nhwc"}, {"dtype": "uint8"}, {"dtype": "uint8", "layout": "nhwc"}]
)
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_inputs_are_mirrored_from_left_to_right_in_any_layout(kind, colour):
    spec = InputSpec(width=4, height=5, colour=colour, mean=(9, 8, 7), std=(3, 2, 1), **kind)
    crop = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    turned = np.ascontiguousarray(crop[:, ::-1])
    allowed = {Inputs(np.stack([each]), spec)[0].tobytes() for each in (crop, turned)}
    batches = mirrored_batches(Inputs(np.stack([crop]), spec), 1)
    assert {next(batches).tobytes() for _ in range(16)} == allowed


def test_bias_correction_takes_a_shift_out_again(prepared, quantized, batches):
    shifted = onnx.ModelProto()
    shifted.CopyFrom(quantized)
    editor = QdqEditor(shifted)
    layer = [n for n in shifted.graph.node if n.op_type == "Conv"][-1]
    editor.add_to_bias(layer, np.full(17, 0.5, np.float32))
    corrected = correct_biases(prepared, shifted, batches)
    wanted = channel_means(prepared, ["heatmaps"], batches)["heatmaps"]
    for model, least, most in ((shifted, 0.4, 0.6), (corrected, 0, 1e-3)):
        error = np.abs(channel_means(model, ["heatmaps"], batches)["heatmaps"] - wanted).mean()
        assert least <= error <= most


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_bottom_up_graph_is_simulated_and_can_learn(dynamic, run, spec):
    """ReLU6, splits, crops and interleaving; with a free size also the arithmetic of shapes."""
    torch.manual_seed(0)
    network = LitePose(Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)).eval()
    names = ["coarse", "fine"]
    size = msgspec.structs.replace(spec, width=64, height=64)
    options = GraphOptions(dynamic_size=dynamic, rewrite_deconvolutions=True)
    model = qdq.prepare(export_graph(network, size, names, options))
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(1, 3, 64, 64)).astype(np.float32) for _ in range(4)]
    ranges = qdq.find_ranges(model, images)
    quantized = qdq.write_qdq(model, ranges, "u8s8-reduced", float_nodes.select(model, ["head"]))
    simulated = QdqNetwork(quantized, 64)
    found = simulated(torch.from_numpy(np.concatenate(images)))
    session = backends.open_bytes(quantized.SerializeToString())
    answers = [session.run(image) for image in images]
    for ours, name in zip(found, names, strict=True):
        theirs = np.concatenate([answer[name] for answer in answers])
        error = np.abs(ours.detach().numpy() - theirs)
        assert error.mean() < 0.02 * theirs.std()
    session.close()
    sum(maps.square().mean() for maps in found).backward()
    assert all(weight.grad is not None for weight in simulated.weights.values())
