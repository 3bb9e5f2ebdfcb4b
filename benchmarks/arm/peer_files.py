"""Files of third-party networks to count: INT8, whose numbers mean nothing, and FP32 if too old."""

from __future__ import annotations

from pathlib import Path

import onnx

from benchmarks.arm.networks import PEER_FILES, PEERS
from litepose_edge.atomic_files import write_file
from litepose_export.conversion.modern_graph import modernize
from litepose_export.quantization.calibration.qdq import prepare, write_qdq

# Any range gives the same graph, and the graph decides what runs.
RANGE = (-4.0, 4.0)
# ONNX Runtime has no kernels for some operators of older files.
OLDEST_OPSET = 9


def write_peer_files(folder: Path) -> None:
    """Write what is not in the folder yet of the networks beside the checkout: INT8 in S8S8."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in PEER_FILES.values():
        source = PEERS / file
        target = folder / f"{source.stem}.int8.onnx"
        if not source.exists():
            continue
        if not target.exists():
            write_file(target, _quantized(onnx.load(source)).SerializeToString())
        model = onnx.load(source)
        newer = folder / f"{source.stem}.fp32.onnx"
        if min(each.version for each in model.opset_import) < OLDEST_OPSET and not newer.exists():
            write_file(newer, prepare(modernize(model)).SerializeToString())


def _quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    prepared = prepare(modernize(model))
    names = {value.name for value in prepared.graph.input}
    names |= {output for node in prepared.graph.node for output in node.output}
    return write_qdq(prepared, dict.fromkeys(names, RANGE), "s8s8", [])
