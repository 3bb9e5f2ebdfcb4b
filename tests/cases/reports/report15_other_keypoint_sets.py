"""Hands (21), Halpe (26), whole body (133), animals: the page says another keypoint set 'goes into model.skeleton of the JSON by hand'.

There is no JSON to edit: `adopt` takes 17, 16 or 14 and writes nothing when the network gives another number.
(`--set 'model.skeleton={...}'` works, with all names, sigmas and pairs on the command line; no page says so.)
"""
import json, sys, tempfile
from pathlib import Path
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
from litepose_edge.cli.app import run

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "hand.onnx")
    kernel = numpy_helper.from_array(np.random.default_rng(0).normal(0, 0.05, (21, 3, 4, 4)).astype(np.float32), "kernel")
    graph = helper.make_graph([helper.make_node("Conv", ["image", "kernel"], ["maps"], strides=[4, 4])], "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 21, 16, 16])], [kernel])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    plain = run(["adopt", str(path), "--output-format", "heatmap"])
    number = run(["adopt", str(path), "--output-format", "heatmap", "--keypoints", "21"])
    written = Path(folder, "hand.onnx.json").exists()
    skeleton = dict(name="hand21", keypoint_names=[f"k{n}" for n in range(21)], bones=[], flip_pairs=[], oks_sigmas=[0.05] * 21)
    by_set = run(["adopt", str(path), "--output-format", "heatmap", "--set", "model.skeleton=" + json.dumps(skeleton)])
print(f"adopt: {plain}, --keypoints 21: {number}, a JSON to edit: {written}; --set model.skeleton=...: {by_set}")
sys.exit(bool(plain and number and not written))
