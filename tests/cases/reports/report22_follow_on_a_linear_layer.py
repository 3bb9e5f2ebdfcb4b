"""--finetune-steps / train --qat on a network with a linear layer (SimCC, ViT): MatMul weights have their scales along the last axis.

The PyTorch twin lays every scale along the first axis: a bare ValueError in place of 'cannot simulate the operator MatMul'.
"""
import sys, tempfile
from pathlib import Path
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
from litepose_edge.backends import files, sidecar
from litepose_edge.cli.app import run
from litepose_export.cli import run as export
from litepose_export.conversion.storage import store
import net_of_others

rng = np.random.default_rng(0)
with tempfile.TemporaryDirectory() as folder:
    labels = net_of_others.photographs(Path(folder, "photos"))
    model, own = Path(folder, "m.onnx"), Path(folder, "own.onnx")
    t = lambda name, a: numpy_helper.from_array(a, name)
    stored = [t("w", rng.normal(0, 0.1, (17, 3, 4, 4)).astype(np.float32)), t("a", rng.normal(0, 0.2, (24, 30)).astype(np.float32)),
              t("b", rng.normal(0, 0.2, (30, 24)).astype(np.float32))]
    nodes = [helper.make_node("Conv", ["image", "w"], ["c"], "conv", strides=[4, 4]), helper.make_node("Relu", ["c"], ["r"], "relu"),
             helper.make_node("MatMul", ["r", "a"], ["h"], "linear1"), helper.make_node("Relu", ["h"], ["g"], "relu2"),
             helper.make_node("MatMul", ["g", "b"], ["maps"], "linear2")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 128, 96])],
                              [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 17, 32, 24])], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    assert run(["adopt", str(model), "--output-format", "heatmap"]) == 0
    store(onnx.load(model), sidecar.read(files.read(model)), own)
    results = {}
    for options in ([], ["--finetune-steps", "2", "--float", "op:Conv"]):
        try:
            results[" ".join(options) or "plain"] = export(["quantize", str(own), "--calibration", str(labels), "--out", str(own) + ".int8.onnx", "--force", *options])
        except Exception as exc:
            results[" ".join(options)] = f"{type(exc).__name__}: {exc}"
print(results)
sys.exit(any(isinstance(r, str) for r in results.values()))
