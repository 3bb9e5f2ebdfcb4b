"""A float network from elsewhere, adopted: its manifest lies beside it. `quantize`, `quantize-openvino`, `ort` do not look there.

They say 'none lies beside it' and 'describe it with litepose-edge adopt', which was done: a circle.
"""
import sys, tempfile
from pathlib import Path
from litepose_edge.cli.app import run
from litepose_export.cli import run as export
import net_of_others

with tempfile.TemporaryDirectory() as folder:
    model = Path(folder, "theirs.onnx")
    net_of_others.make(model)
    labels = net_of_others.photographs(Path(folder, "photos"))
    assert run(["adopt", str(model), "--output-format", "heatmap"]) == 0 and Path(folder, "theirs.onnx.json").exists()
    codes = {
        "quantize": export(["quantize", str(model), "--calibration", str(labels), "--out", str(model) + ".int8.onnx", "--force"]),
        "ort": export(["ort", str(model), "--out", str(Path(folder, "theirs.ort"))]),
    }
print(codes)
sys.exit(any(codes.values()))
