"""A layer whose inputs hardly vary (a dead or saturated block, few calibration pictures): --gptq ends in a traceback.

The covariance is E[xx] - E[x]E[x] of float32 columns: their products are summed in float32, so where a layer's inputs vary
by a few per cent of their mean the rest is rounding noise, and 1 % of its trace does not make it positive definite.
"""
import sys, tempfile, traceback
from pathlib import Path
import onnx
from litepose_edge.cli.app import run
from litepose_edge.backends import files, sidecar
from litepose_export.cli import run as export
from litepose_export.conversion.storage import store
import net_of_others

results = {}
with tempfile.TemporaryDirectory() as folder:
    labels = net_of_others.photographs(Path(folder, "photos"))
    for name, flat in (("lively", False), ("flat", True)):
        model, own = Path(folder, name + ".onnx"), Path(folder, name + "_own.onnx")
        net_of_others.make(model, constant_layer=flat)
        assert run(["adopt", str(model), "--output-format", "heatmap"]) == 0
        store(onnx.load(model), sidecar.read(files.read(model)), own)
        for options in ([], ["--gptq"]):
            try:
                results[name, *options] = export(["quantize", str(own), "--calibration", str(labels), "--out", str(own) + ".int8.onnx", "--force", *options])
            except Exception as exc:
                results[name, *options] = f"{type(exc).__name__}: {exc} at {traceback.extract_tb(exc.__traceback__)[-3].name}"
print(*results.items(), sep="\n")
sys.exit(any(results.values()))
