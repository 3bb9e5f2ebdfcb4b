"""Every operator of the catalogue's networks and of the peers' graphs can be simulated."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import InputSpec, output_names  # noqa: E402
from litepose_export.conversion.modern_graph import modernize  # noqa: E402
from litepose_export.conversion.onnx_file import load_graph  # noqa: E402
from litepose_export.conversion.to_onnx import export_graph  # noqa: E402
from litepose_export.interop.onnx_operators import OPERATORS  # noqa: E402
from litepose_export.models import manifests  # noqa: E402
from litepose_export.models.networks import CATALOGUE  # noqa: E402
from litepose_export.quantization.calibration import qdq  # noqa: E402
from paths import SHARED  # noqa: E402

GRAPHS = sorted((SHARED / "peers").glob("*/*.onnx"))
# One of each family is quick enough for every run of the tests.
QUICK = ("lrpose-n", "efficientpose-a")


def missing(model):
    prepared = qdq.prepare(modernize(model))
    return {node.op_type for node in prepared.graph.node} - set(OPERATORS)


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(e, id=e.name, marks=[] if e.name in QUICK else [pytest.mark.slow])
        for e in CATALOGUE
    ],
)
def test_networks_of_the_catalogue_are_made_of_simulated_operators(entry):
    side = entry.multiple * (2 if entry.multiple <= 32 else 1)
    torch.manual_seed(0)
    network = entry.build(17, Size(side, side)).eval()
    spec = InputSpec(width=side, height=side, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
    names = output_names(manifests.manifest(entry, 17))
    assert missing(export_graph(network, spec, names)) == set()


@pytest.mark.skipif(not GRAPHS, reason="needs the third-party networks beside the checkout")
@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_graphs_of_others_are_made_of_simulated_operators(path):
    assert missing(load_graph(path)) == set()
