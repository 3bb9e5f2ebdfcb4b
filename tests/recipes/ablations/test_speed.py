"""The latency comparison of the ablation study: the files that are timed, and the ratios."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

from litepose_edge.backends import open_bytes  # noqa: E402
from recipes.ablations import speed  # noqa: E402
from recipes.ablations.variants import INPUT  # noqa: E402


def test_the_files_that_are_timed_hold_the_head_in_int8():
    architectures = speed.architectures()
    assert next(iter(architectures)) == "rce-8"
    assert len(set(architectures.values())) == len(architectures)
    float_model, quantized = speed.files(architectures["deconv"])
    assert not any(node.op_type == "ConvTranspose" for node in float_model.graph.node)
    made = {output: node.op_type for node in quantized.graph.node for output in node.output}
    convolutions = [node for node in quantized.graph.node if node.op_type == "Conv"]
    in_float = [c for c in convolutions if made.get(c.input[1]) != "DequantizeLinear"]
    assert len(in_float) == 2  # stem and head
    for model in (float_model, quantized):
        maps = open_bytes(model.SerializeToString()).run(speed.noise(1)[0])["heatmaps"]
        assert maps.shape == (1, 17, INPUT.height // 4, INPUT.width // 4)


def test_times_are_the_second_runs_by_the_reference_in_int8(monkeypatch):
    now_ns = 0

    class Fake:
        """Takes three times as long when the caches are cold."""

        def __init__(self, milliseconds):
            self.milliseconds, self.runs = milliseconds, 0

        def run(self, batch):
            nonlocal now_ns
            now_ns += int(1e6 * self.milliseconds) * (3 if self.runs % 2 == 0 else 1)
            self.runs += 1

    monkeypatch.setattr(time, "perf_counter_ns", lambda: now_ns)
    sessions = {
        ("rce-8", "fp32"): Fake(2.5),
        ("rce-8", "int8"): Fake(1.0),
        ("rce-4", "fp32"): Fake(4.0),
        ("rce-4", "int8"): Fake(1.5),
    }
    ratios = speed.compare_latency(sessions, seconds=0)
    assert ratios == {"rce-8": {"fp32": 2.5, "int8": 1.0}, "rce-4": {"fp32": 4.0, "int8": 1.5}}
    assert sessions["rce-4", "int8"].runs == 2 * speed.LEAST_ROUNDS
