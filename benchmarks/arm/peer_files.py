"""INT8 files of third-party networks, to count their instructions; their numbers mean nothing."""

from __future__ import annotations

from pathlib import Path

import onnx

from benchmarks.arm.networks import PEER_FILES, PEERS
from litepose_edge.atomic_files import write_file
from litepose_export.conversion.modern_graph import modernize
from litepose_export.quantization.calibration.qdq import prepare, write_qdq

# Any range gives the same graph, and the graph decides what runs.
RANGE = (-4.0, 4.0)


def write_int8_files(folder: Path) -> None:
    """Write the networks that lie beside the checkout and are not in the folder yet, in S8S8."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in PEER_FILES.values():
        source = PEERS / file
        target = folder / f"{source.stem}.int8.onnx"
        if source.exists() and not target.exists():
            write_file(target, _quantized(onnx.load(source)).SerializeToString())


def _quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    prepared = prepare(modernize(model))
    names = {value.name for value in prepared.graph.input}
    names |= {output for node in prepared.graph.node for output in node.output}
    return write_qdq(prepared, dict.fromkeys(names, RANGE), "s8s8", [])
