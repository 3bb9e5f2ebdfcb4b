"""A graph small enough to reason about, its ranges and its INT8 form, for all of quantization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from litepose_edge.backends import open_bytes
from litepose_edge.manifest import InputSpec


@pytest.fixture(scope="session")
def spec() -> InputSpec:
    """The input of the small graph."""
    return InputSpec(width=24, height=32, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture(scope="session")
def manifest() -> Any:
    """Says that outputs are heatmaps of one person."""
    from litepose_export.models import manifests, networks

    return manifests.manifest(networks.find("lrpose-n"), 17)


@pytest.fixture(scope="session")
def prepared(spec: InputSpec) -> Any:
    """Five convolutions and a sum; output channels have very different sizes."""
    import torch
    from torch import nn

    from litepose_export.conversion.to_onnx import GraphOptions, export_graph
    from litepose_export.quantization.calibration import qdq

    class Small(nn.Module):
        def __init__(self):
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

    torch.manual_seed(2)
    return qdq.prepare(export_graph(Small(), spec, ["heatmaps"], GraphOptions(True)))


@pytest.fixture(scope="session")
def batches() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((1, 3, 32, 24)).astype(np.float32) for _ in range(12)]


@pytest.fixture(scope="session")
def ranges(prepared: Any, batches: list[np.ndarray]) -> Any:
    from litepose_export.quantization.calibration import qdq

    return qdq.find_ranges(prepared, batches)


@pytest.fixture
def quantized(prepared: Any, ranges: Any) -> Any:
    """Made anew for every test: some change it."""
    from litepose_export.quantization.calibration import qdq
    from litepose_export.quantization.mixed_precision import float_nodes

    return qdq.write_qdq(prepared, ranges, "u8s8-reduced", float_nodes.select(prepared, ["head"]))


@pytest.fixture(scope="session")
def metric(prepared: Any, manifest: Any, batches: list[np.ndarray]) -> Any:
    """Output errors against the small float graph."""
    from litepose_export.quantization.gate.output_error import ErrorMetric

    return ErrorMetric(prepared, manifest, batches)


@pytest.fixture(scope="session")
def run() -> Callable[[Any, np.ndarray], np.ndarray]:
    """The heatmaps that a graph gives for a batch."""

    def compute(model: Any, batch: np.ndarray) -> np.ndarray:
        session = open_bytes(model.SerializeToString())
        maps = session.run(batch)["heatmaps"]
        session.close()
        return maps

    return compute
