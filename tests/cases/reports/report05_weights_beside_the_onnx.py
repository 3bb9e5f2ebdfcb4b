"""torch.onnx.export (2.9 on, by default) writes net.onnx + net.onnx.data. Such a file must run from any folder.

We hand ONNX Runtime the bytes alone: then the weights are looked for in the *current* folder. Three faults:
1. from any other folder the file is refused, with a message about paths that 'escape';
2. from its own folder it works, so it works in a test and not in a service;
3. the sidecar's checksum does not cover the weights: a swapped .data runs without a word ('a file that changed is refused').
"""
import os, sys, tempfile
from pathlib import Path
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
from litepose_edge import Estimator
from litepose_edge.cli.app import run

def net(path: Path, bias: float) -> None:
    rng = np.random.default_rng(0)
    kernel = numpy_helper.from_array(rng.normal(0, 0.05, (17, 3, 4, 4)).astype(np.float32), "kernel")
    shift = numpy_helper.from_array(np.full(17, bias, np.float32), "shift")
    node = helper.make_node("Conv", ["image", "kernel", "shift"], ["maps"], strides=[4, 4])
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 48])],
                              [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 17, 16, 12])], [kernel, shift])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)

frame, box = np.full((200, 150, 3), 90, np.uint8), [[20, 20, 120, 180]]
faults = []
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "net.onnx")
    net(path, 0.1)
    os.chdir("/")
    if code := run(["adopt", str(path), "--output-format", "heatmap"]):
        faults.append(f"adopt from another folder: exit code {code}")
    os.chdir(folder)
    if code := run(["adopt", "net.onnx", "--output-format", "heatmap"]):
        faults.append(f"adopt from its own folder: exit code {code}")
    else:
        first = Estimator("net.onnx", detector=None).predict(frame, boxes_xyxy=box).scores.mean()
        keep = path.read_bytes()
        path.with_name("net.onnx.data").unlink()
        net(path, 0.9)  # other weights, the graph's own bytes the same
        if path.read_bytes() == keep:
            try:
                second = Estimator("net.onnx", detector=None).predict(frame, boxes_xyxy=box).scores.mean()
                faults.append(f"other weights under the same checksum run: mean score {first:.2f}, now {second:.2f}")
            except Exception as exc:
                print("changed weights refused:", type(exc).__name__, str(exc)[:90])
        path.with_name("net.onnx.data").unlink()
        net(path, 0.1)  # the weights that were adopted: a file whose weights changed is refused from every folder (ADR 25)
    os.chdir("/")
    try:
        Estimator(str(path), detector=None)
    except Exception as exc:
        faults.append(f"Estimator from another folder: {type(exc).__name__}: {str(exc)[:150]}")
print(*faults, sep="\n")
sys.exit(bool(faults))
