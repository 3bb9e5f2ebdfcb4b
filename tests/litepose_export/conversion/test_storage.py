"""Float16 storage is undone where it was made, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import msgspec  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from litepose_edge import backends  # noqa: E402
from litepose_edge.manifest import QuantizationSpec  # noqa: E402
from litepose_export import bottom_up_manifest, export, heatmap_manifest  # noqa: E402
from litepose_export.conversion.storage import restore_storage, store  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402


def _model(nodes, constants, shape):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    stored = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "graph", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _run(model):
    onnx.checker.check_model(model, full_check=True)
    batch = np.arange(4, dtype=np.float32).reshape(1, 4)
    return backends.open_bytes(model.SerializeToString()).run(batch)["y"]


def test_a_cast_of_another_constant_keeps_its_type():
    nodes = [
        helper.make_node("Cast", ["shape"], ["shape_64"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["x", "shape_64"], ["y"]),
    ]
    restored = restore_storage(_model(nodes, {"shape": np.array([2, 2], np.int32)}, [2, 2]))
    np.testing.assert_array_equal(_run(restored), [[0, 1], [2, 3]])


def test_a_half_constant_with_several_readers_serves_them_all():
    nodes = [
        helper.make_node("Cast", ["half"], ["first"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["half"], ["second"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["half"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Cast", ["whole"], ["third"], to=TensorProto.FLOAT),
        helper.make_node("Sum", ["x", "first", "second", "third"], ["y"]),
    ]
    restored = restore_storage(_model(nodes, {"half": np.full(4, 1.5, np.float16)}, [1, 4]))
    np.testing.assert_array_equal(_run(restored), [[4, 5, 6, 7]])
    assert [node.op_type for node in restored.graph.node] == ["Cast", "Cast", "Sum"]


def test_a_manifest_that_cannot_be_read_back_is_not_written(tmp_path):
    bounds = {"max_ap_drop": float("inf")}
    quantization = QuantizationSpec("s8s8", "codes", 8, bounds=bounds)
    manifest = msgspec.structs.replace(
        heatmap_manifest("own", input_size=(64, 64)), precision="int8", quantization=quantization
    )
    model = _model([helper.make_node("Relu", ["x"], ["y"])], {}, [1, 4])
    with pytest.raises(ExportError, match=r"could not be read: .*`\$\.quantization\.bounds"):
        store(model, manifest, tmp_path / "q.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes", [{"min_peak": 1.5}, {"max_join_distance": 0.0}])
def test_values_out_of_their_range_are_refused_before_the_network_is_exported(changes, tmp_path):
    manifest = bottom_up_manifest("own", input_size=(64, 64))
    model = msgspec.structs.replace(manifest.model, **changes)

    class Pair(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.coarse, self.fine = torch.nn.Conv2d(3, 34, 4, 4), torch.nn.Conv2d(3, 17, 2, 2)

        def forward(self, x):
            return self.coarse(x), self.fine(x)

    steps = []
    with pytest.raises(ExportError, match=next(iter(changes))):
        export(
            Pair(), tmp_path / "n.onnx", msgspec.structs.replace(manifest, model=model),
            progress=steps.append,
        )  # fmt: skip
    assert "export the graph" not in steps
    assert not list(tmp_path.iterdir())
