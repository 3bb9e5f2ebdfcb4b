"""Networks of users in INT8: the simulator computes what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import onnx  # noqa: E402
import torch  # noqa: E402

import own_networks  # noqa: E402
from litepose_edge import backends  # noqa: E402
from litepose_edge.manifest import InputSpec  # noqa: E402
from litepose_export.conversion.to_onnx import export_graph  # noqa: E402
from litepose_export.models.user_networks import with_named_outputs  # noqa: E402
from litepose_export.quantization.calibration import qdq  # noqa: E402
from litepose_export.quantization.optimize.gptq import round_weights  # noqa: E402
from litepose_export.quantization.optimize.simulation import QdqNetwork  # noqa: E402

SPEC = InputSpec(width=48, height=64, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
OUTPUTS = {"Deconvolutions": ["heatmaps"], "Squeeze": ["maps"], "Transformer": ["x", "y"]}


@pytest.fixture(scope="module", params=OUTPUTS)
def graphs(request):
    """A network of others: float, prepared, and its INT8 graph without float layers."""
    torch.manual_seed(0)
    more = {"width": 48, "height": 64} if request.param == "Transformer" else {}
    module = own_networks.settle(getattr(own_networks, request.param)(**more))
    names = OUTPUTS[request.param]
    module = with_named_outputs(module, names, torch.zeros(1, 3, 64, 48))
    prepared = qdq.prepare(export_graph(module, SPEC, names))
    ranges = qdq.find_ranges(prepared, images(6))
    return prepared, qdq.write_qdq(prepared, ranges, "u8s8-reduced", ())


def images(count):
    rng = np.random.default_rng(4)
    return [rng.standard_normal((1, 3, 64, 48)).astype(np.float32) for _ in range(count)]


def run(model, image):
    session = backends.open_bytes(model.SerializeToString())
    found = session.run(image)
    session.close()
    return [found[output.name] for output in model.graph.output]


def test_the_simulator_gives_the_engines_numbers(graphs):
    _, quantized = graphs
    network = QdqNetwork(quantized, 64)
    batch = np.concatenate(images(2))
    with torch.no_grad():
        found = network(torch.from_numpy(batch))
    wanted = [run(quantized, image) for image in images(2)]
    for number, values in enumerate(found):
        expected = np.concatenate([each[number] for each in wanted])
        # One code more or less where a value lies between two.
        gap = np.abs(values.numpy() - expected)
        assert np.median(gap) <= 1e-3 * np.abs(expected).max()
        assert gap.mean() <= 0.03 * np.abs(expected).max()


def test_what_was_not_trained_comes_back_as_it_was(graphs):
    _, quantized = graphs
    again = QdqNetwork(quantized, 64).to_model()
    onnx.checker.check_model(again)
    for before, after in zip(run(quantized, images(1)[0]), run(again, images(1)[0]), strict=True):
        np.testing.assert_allclose(after, before, atol=0.05 * np.abs(before).max())


def test_every_learned_number_gets_a_gradient(graphs):
    _, quantized = graphs
    network = QdqNetwork(quantized, 64)
    sum((values**2).mean() for values in network(torch.from_numpy(images(1)[0]))).backward()
    assert network.weights
    assert all(weight.grad is not None for weight in network.weights.values())


def test_gptq_takes_layers_whose_inputs_hardly_vary(graphs):
    prepared, quantized = graphs
    flat = [np.full((1, 3, 64, 48), 1 + 1e-4 * n, np.float32) for n in range(3)]
    better = round_weights(prepared, quantized, flat, 64)
    onnx.checker.check_model(better)
