"""The parts of quantization, each on graphs small enough to reason about."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = pytest.mark.export

import onnx  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.backends._onnxruntime import OnnxRuntimeSession  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.to_onnx import GraphOptions, export_graph  # noqa: E402
from litepose_export.errors import ExportError, UnsupportedOpError  # noqa: E402
from litepose_export.models import manifests, networks  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.quantization.calibration import qdq  # noqa: E402
from litepose_export.quantization.calibration.activations import channel_maxima, channel_means  # noqa: E402
from litepose_export.quantization.calibration.clip_search import least_error_ranges, search_ranges  # noqa: E402
from litepose_export.quantization.gate.bounds import Bounds, Figures, judge  # noqa: E402
from litepose_export.quantization.gate.latency import race  # noqa: E402
from litepose_export.quantization.gate.output_error import Yardstick  # noqa: E402
from litepose_export.quantization.mixed_precision import float_nodes, sensitivity  # noqa: E402
from litepose_export.quantization.mixed_precision.sensitivity import Sensitivity  # noqa: E402
from litepose_export.quantization.optimize.bias_correction import correct_biases  # noqa: E402
from litepose_export.quantization.optimize.cross_layer_equalization import equalize, find_pairs  # noqa: E402
from litepose_export.quantization.optimize.fake_quantize import fake_quantize  # noqa: E402
from litepose_export.quantization.optimize.finetune import FollowOptions, follow  # noqa: E402
from litepose_export.quantization.optimize.gptq import round_rows, round_weights  # noqa: E402
from litepose_export.quantization.optimize.qdq_editor import QdqEditor  # noqa: E402
from litepose_export.quantization.optimize.simulation import QdqNetwork  # noqa: E402

SIZE = InputSpec(width=24, height=32, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
MANIFEST = manifests.manifest(networks.find("lrpose-n"), 17)


class Small(nn.Module):
    """Five convolutions and a sum; its output channels have very different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.expand = nn.Conv2d(8, 16, 3, 1, 1)
        self.project = nn.Conv2d(16, 8, 1)
        self.predict = nn.Conv2d(8, 17, 1)
        with torch.no_grad():
            self.expand.weight *= torch.logspace(-1.5, 0, 16)[:, None, None, None]

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.project(torch.relu(self.expand(x))))
        return self.predict(nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))


@pytest.fixture(scope="module")
def prepared():
    torch.manual_seed(2)
    return qdq.prepare(export_graph(Small(), SIZE, ["heatmaps"], GraphOptions(True)))


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    return [rng.standard_normal((1, 3, 32, 24)).astype(np.float32) for _ in range(12)]


@pytest.fixture(scope="module")
def ranges(prepared, batches):
    return qdq.find_ranges(prepared, batches)


@pytest.fixture
def quantized(prepared, ranges):
    return qdq.write_qdq(prepared, ranges, "u8s8-reduced", float_nodes.select(prepared, ["head"]))


@pytest.fixture(scope="module")
def measure(prepared, batches):
    return Yardstick(prepared, MANIFEST, batches)


def run(model, batch):
    return OnnxRuntimeSession(model.SerializeToString(), 1).run(batch)["heatmaps"]


def convolutions(model):
    return [n.name for n in model.graph.node if n.op_type == "Conv"]


def test_minmax_keeps_everything_and_percentiles_cut_the_rare(prepared, batches, ranges):
    name = prepared.graph.input[0].name
    everything = np.concatenate(batches)
    assert ranges[name] == pytest.approx((everything.min(), everything.max()), rel=1e-6)
    cut = qdq.find_ranges(prepared, batches, "percentile", 95.0)
    assert cut[name][1] < 0.8 * ranges[name][1]


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


def test_an_equalised_graph_computes_the_same_with_channels_of_like_range(prepared, batches):
    equal, pairs = equalize(prepared, batches, strength=1.0)
    assert pairs == 1
    (pair,) = find_pairs(prepared)
    before = channel_maxima(prepared, [pair.tensor], batches)[pair.tensor]
    after = channel_maxima(equal, [pair.tensor], batches)[pair.tensor]
    alive = before > 0
    assert before[alive].max() / before[alive].min() > 10
    np.testing.assert_allclose(after[alive], after[alive].max(), rtol=1e-4)
    np.testing.assert_allclose(run(equal, batches[0]), run(prepared, batches[0]), atol=1e-5)


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


def test_the_simulation_gives_the_engines_numbers(quantized, batches):
    network = QdqNetwork(quantized, 64)
    with torch.no_grad():
        (found,) = network(torch.from_numpy(batches[0]))
    np.testing.assert_allclose(found.numpy(), run(quantized, batches[0]), atol=2e-2)
    error = np.abs(found.numpy() - run(quantized, batches[0])).mean()
    assert error < 1e-3


def test_a_simulation_that_learned_nothing_writes_the_graph_it_read(quantized, batches):
    written = QdqNetwork(quantized, 64).to_model()
    np.testing.assert_allclose(run(written, batches[0]), run(quantized, batches[0]), atol=1e-3)


def test_what_cannot_be_simulated_is_named(quantized):
    strange = onnx.ModelProto()
    strange.CopyFrom(quantized)
    next(n for n in strange.graph.node if n.op_type == "Resize").op_type = "Upsample"
    with pytest.raises(UnsupportedOpError, match="Upsample"):
        QdqNetwork(strange, 64)


def test_rounding_lets_errors_cancel_on_inputs_that_move_together():
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


def test_rounding_on_unrelated_inputs_is_rounding_to_the_nearest():
    weights = np.random.default_rng(0).normal(size=(3, 20))
    scale = np.abs(weights).max(axis=1) / 127
    codes, scales = round_rows(weights, scale, np.eye(20), 127)
    np.testing.assert_array_equal(codes, np.round(weights / scales[:, None]).clip(-127, 127))


def test_adaptive_rounding_brings_int8_nearer_to_float(prepared, ranges, batches):
    coarse = qdq.write_qdq(
        prepared, ranges, "u8s8-reduced", float_nodes.select(prepared, ["stem", "head", "residual"])
    )
    better = round_weights(prepared, coarse, batches, 64)
    several = np.concatenate(batches)
    wanted = run(prepared, several)
    errors = [np.square(run(m, several) - wanted).mean() for m in (coarse, better)]
    assert errors[1] < errors[0]


def test_following_repairs_weights_that_were_spoiled(prepared, quantized, batches):
    network = QdqNetwork(quantized, 64)
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for key, weight in network.weights.items():
            noise = rng.normal(0, 3, weight.shape).astype(np.float32)
            weight += torch.from_numpy(noise) * network.weight_scales[key]
    several = np.concatenate(batches)
    wanted = run(prepared, several)
    before = np.square(run(network.to_model(), several) - wanted).mean()
    options = FollowOptions(steps=60, codes=0.1)
    losses = follow(network, prepared, MANIFEST, itertools.repeat(several), options)
    after = np.square(run(network.to_model(), several) - wanted).mean()
    assert after < 0.3 * before
    assert losses[-1] < 0.3 * losses[0]


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


def test_ranges_with_the_least_error_leave_out_a_lone_extreme(prepared, ranges, batches):
    (pair,) = find_pairs(prepared)
    low, high = ranges[pair.tensor]
    wide = {**ranges, pair.tensor: (low, 3 * high)}
    found = least_error_ranges(prepared, wide, batches)
    assert found[pair.tensor][1] < 1.3 * high
    assert all(found[name][1] <= wide[name][1] for name in wide if wide[name][1] > 0)


def test_the_range_search_takes_what_moves_keypoints_least(prepared, ranges, measure):
    halves = {name: (low / 2, high / 2) for name, (low, high) in ranges.items()}
    wide = {name: (4 * low, 4 * high) for name, (low, high) in ranges.items()}
    head = float_nodes.select(prepared, ["head"])

    def write(some):
        return qdq.write_qdq(prepared, some, "u8s8-reduced", head)  # exact on every CPU

    found, blend = search_ranges(wide, halves, write, measure)
    assert 0.5 <= blend < 1
    assert measure(write(found)).cost < min(measure(write(r)).cost for r in (wide, halves))


def test_the_node_that_does_the_harm_is_ranked_first(prepared, ranges, measure):
    (pair,) = find_pairs(prepared)
    low, high = ranges[pair.tensor]
    wide = {**ranges, pair.tensor: (low, 200 * high)}
    ranked = sensitivity.rank(prepared, wide, "u8s8-reduced", [], measure)
    harmful = max(ranked, key=lambda item: item.alone)
    assert harmful.output in (pair.tensor, pair.first.output[0], pair.second.output[0])
    assert all(a.alone >= 0 for a in ranked)


@pytest.mark.parametrize("needed", [0, 1, 5, 8])
def test_the_search_finds_the_shortest_beginning_that_passes(needed):
    ranked = [Sensitivity(str(n), "Conv", str(n), 1.0, 1.0, 0.1) for n in range(8)]
    asked = []

    def passes(nodes):
        asked.append(nodes)
        return len(nodes) >= needed

    found = sensitivity.smallest_set(ranked, passes)
    assert found == tuple(str(n) for n in range(needed))
    assert len(asked) <= 5


def test_a_search_that_nothing_satisfies_says_so():
    ranked = [Sensitivity("a", "Conv", "a", 1.0, 1.0, 0.1)]
    assert sensitivity.smallest_set(ranked, lambda nodes: False) is None


def test_operations_are_counted_as_multiply_accumulates(prepared):
    work = sensitivity.operations(prepared)
    first = convolutions(prepared)[0]
    assert work[first] == 8 * 16 * 12 * 3 * 3 * 3


GOOD = Figures(
    10,
    joints=90,
    joints_part=0.8,
    shift_px=0.2,
    p95_px=1.0,
    oks=0.99,
    recall=0.97,
    ap_float=0.5,
    ap_int8=0.499,
)


def test_figures_within_the_bounds_pass():
    assert judge(GOOD, Bounds(), joints_expected=True) == []


@pytest.mark.parametrize(
    ("bounds", "complaint"),
    [
        (Bounds(shift_px=0.1), "median"),
        (Bounds(p95_px=0.5), "percentile"),
        (Bounds(ap_drop=0.0005), "AP"),
        (Bounds(recall=0.98), "recall"),
        (Bounds(oks=0.995), "similarity"),
    ],
)
def test_each_bound_is_judged_by_itself(bounds, complaint):
    (found,) = judge(GOOD, bounds, joints_expected=True)
    assert complaint in found


def test_a_race_says_which_file_is_faster(prepared, batches):
    found = race(prepared, prepared, batches[0], seconds=0.05)
    assert found.rounds >= 30
    assert 0.3 < found.ratio < 3
    assert str(found).startswith("INT8 is")


def test_depthwise_layers_in_front_of_the_last_stay_float():
    network = LitePose(Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4))
    model = export_graph(
        network, msgspec.structs.replace(SIZE, width=48, height=64), ["coarse", "fine"]
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


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_bottom_up_graph_is_simulated_and_can_learn(dynamic):
    """ReLU6, splits, crops and interleaving; with a free size also the arithmetic of shapes."""
    torch.manual_seed(0)
    network = LitePose(Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)).eval()
    names = ["coarse", "fine"]
    size = msgspec.structs.replace(SIZE, width=64, height=64)
    options = GraphOptions(dynamic_size=dynamic, rewrite_deconvolutions=True)
    model = qdq.prepare(export_graph(network, size, names, options))
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(1, 3, 64, 64)).astype(np.float32) for _ in range(4)]
    ranges = qdq.find_ranges(model, images)
    quantized = qdq.write_qdq(model, ranges, "u8s8-reduced", float_nodes.select(model, ["head"]))
    simulated = QdqNetwork(quantized, 64)
    found = simulated(torch.from_numpy(np.concatenate(images)))
    session = OnnxRuntimeSession(quantized.SerializeToString(), threads=1)
    answers = [session.run(image) for image in images]
    for ours, name in zip(found, names, strict=True):
        theirs = np.concatenate([answer[name] for answer in answers])
        error = np.abs(ours.detach().numpy() - theirs)
        assert error.mean() < 0.02 * theirs.std()
    session.close()
    sum(maps.square().mean() for maps in found).backward()
    assert all(weight.grad is not None for weight in simulated.weights.values())
