"""Writes models: manifest inside, float16 storage, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from litepose_edge.atomic_files import write_file
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import METADATA_KEY, Manifest, encode_manifest, parse_manifest
from litepose_export.errors import ExportError

MIN_FLOATS = 256
MOST_HALF = float(np.finfo(np.float16).max)


def store(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write a model with its manifest in the metadata.

    Raises:
        ExportError: The manifest could not be read back.
        OutputError: The place cannot be written.
    """
    described = onnx.ModelProto()
    described.CopyFrom(model)
    onnx.helper.set_model_props(described, {METADATA_KEY: manifest_text(manifest)})
    onnx.checker.check_model(described)
    write_file(path, described.SerializeToString(deterministic=True))


def manifest_text(manifest: Manifest) -> str:
    """A manifest's JSON as a file holds it, once it has been read back.

    A manifest that was put together here is not checked as a file's is: `max_ap_drop` may be
    infinite, which JSON has not, and `min_peak` more than 1.

    Raises:
        ExportError: A value is out of its range, or no number.
    """
    text = encode_manifest(manifest)
    try:
        parse_manifest(text)
    except ManifestError as exc:
        raise ExportError(f"a file of this manifest could not be read: {exc}") from exc
    return text


def halve_storage(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float initialisers as float16, with Casts that engines fold when they load.

    Computation stays float32; only the weights lose their lower bits.

    Raises:
        ExportError: A weight is larger than float16 holds.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts = []
    for initializer in halved.graph.initializer:
        if initializer.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(initializer)
        if values.size < MIN_FLOATS:
            continue
        name = initializer.name
        largest = np.abs(values[np.isfinite(values)]).max(initial=0)
        if largest > MOST_HALF:
            raise ExportError(
                f"expected weights of at most {MOST_HALF:g} for storage as float16, got "
                f"{largest:g} in {name}: leave out float16 storage"
            )
        stored = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        initializer.CopyFrom(stored)
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = list(halved.graph.node)
    del halved.graph.node[:]
    halved.graph.node.extend([*casts, *nodes])
    return halved


def is_halved(model: onnx.ModelProto) -> bool:
    """Whether weights are stored as float16."""
    return any(i.data_type == onnx.TensorProto.FLOAT16 for i in model.graph.initializer)


def restore_storage(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo `halve_storage`, for quantization: float32 initialisers in place of its Casts.

    Every other Cast stays: graphs of others cast their constants to other types.
    """
    restored = onnx.ModelProto()
    restored.CopyFrom(model)
    graph = restored.graph
    halves = {i.name: i for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT16}
    # Values that whoever runs the graph may replace are no constants.
    for given in graph.input:
        halves.pop(given.name, None)
    wholes: dict[str, list[onnx.TensorProto]] = {name: [] for name in halves}
    kept = []
    for node in graph.node:
        source = halves.get(node.input[0]) if _casts_to_float(node) else None
        if source is None:
            kept.append(node)
            continue
        values = numpy_helper.to_array(source).astype(np.float32)
        wholes[source.name].append(numpy_helper.from_array(values, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    read = _names_read(graph)
    stored = []
    for initializer in graph.initializer:
        if initializer.name not in halves or initializer.name in read:
            stored.append(initializer)
        stored += wholes.get(initializer.name, [])
    del graph.initializer[:]
    graph.initializer.extend(stored)
    return restored


def _casts_to_float(node: onnx.NodeProto) -> bool:
    to_float = any(a.name == "to" and a.i == onnx.TensorProto.FLOAT for a in node.attribute)
    return node.op_type == "Cast" and to_float


def _names_read(graph: onnx.GraphProto) -> set[str]:
    """What nodes and outputs read, in branches and loops too."""
    read = {output.name for output in graph.output}
    for node in graph.node:
        read.update(node.input)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                read |= _names_read(inner)
    return read
