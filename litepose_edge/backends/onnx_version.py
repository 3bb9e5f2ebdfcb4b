"""Whether an ONNX file says what the standard demands that it says: version, name, shapes."""

from __future__ import annotations

from pathlib import Path

from litepose_edge.backends.protobuf import BYTES, VARINT, fields, varint
from litepose_edge.errors import ModelError

IR_VERSION, GRAPH, OPSETS = 1, 7, 8  # of the model
GRAPH_NAME, INITIALIZER, INPUT, OUTPUT = 2, 5, 11, 12  # of the graph
INITIALIZER_NAME, INPUT_NAME = 8, 1
TYPE, TENSOR_TYPE, SHAPE = 2, 1, 2  # of an input or output, of its type, of a tensor's type
# Tensor, sequence, map, opaque, sparse tensor, optional.
TYPES = frozenset({TENSOR_TYPE, 4, 5, 7, 8, 9})
# The first version that has operator sets, and the first whose weights need not be inputs.
FIRST_IR_VERSION, FREE_WEIGHTS_IR_VERSION = 3, 4


def check_version(path: Path, content: bytes) -> None:
    """Refuse a file that engines take and read as they like, though the standard does not.

    Raises:
        ModelError: It has no version, one before operator sets, a graph without a name, an input or
            output without a shape, or weights that its version lacks.
    """
    message, version, graphs, opsets = memoryview(content), 0, [], 0
    try:
        for field, wire, _, body, end in fields(message):
            if field == IR_VERSION and wire == VARINT:
                version = varint(message, body)[0]
            elif field == GRAPH and wire == BYTES:
                graphs.append(message[body:end])
            opsets += field == OPSETS
        if version < FIRST_IR_VERSION or not opsets:
            raise ModelError(
                f"{path} is no valid ONNX file: expected a format version of at least "
                f"{FIRST_IR_VERSION} and operator sets, got {version} and {opsets}; export it again"
            )
        if not all(map(_is_named, graphs)):
            raise ModelError(
                f"{path} is no valid ONNX file: its graph has no name; give it one "
                "(model.graph.name) or export it again"
            )
        for graph in graphs:
            _check_shapes(path, graph)
        if version < FREE_WEIGHTS_IR_VERSION:
            _check_weights_are_inputs(path, graphs)
    except (IndexError, ValueError) as exc:
        raise ModelError(f"{path} is no ONNX file, or a damaged one: {exc}") from exc


def _is_named(graph: memoryview) -> bool:
    return any(
        field == GRAPH_NAME and wire == BYTES and end > body
        for field, wire, _, body, end in fields(graph)
    )


def _check_shapes(path: Path, graph: memoryview) -> None:
    """Each input and output says of how many axes it is, though not how long they are."""
    for field, wire, _, body, end in fields(graph):
        if field not in (INPUT, OUTPUT) or wire != BYTES:
            continue
        value = graph[body:end]
        types = [one for kind in _inside(value, TYPE) for one in fields(kind) if one[0] in TYPES]
        tensors = [t for kind in _inside(value, TYPE) for t in _inside(kind, TENSOR_TYPE)]
        # What is no tensor has no shape.
        if not types or any(not _inside(tensor, SHAPE) for tensor in tensors):
            name = b"".join(map(bytes, _inside(value, INPUT_NAME)))[:100]
            raise ModelError(
                f"{path} is no valid ONNX file: its input or output {name!r} has no shape; let "
                "onnx.shape_inference.infer_shapes add it or export the network again"
            )


def _inside(message: memoryview, wanted: int) -> list[memoryview]:
    """What a message holds under one number."""
    return [message[b:e] for f, w, _, b, e in fields(message) if (f, w) == (wanted, BYTES)]


def _check_weights_are_inputs(path: Path, graphs: list[memoryview]) -> None:
    names: dict[int, set[bytes]] = {INITIALIZER: set(), INPUT: set()}
    for graph in graphs:
        for field, wire, _, body, end in fields(graph):
            if field in names and wire == BYTES:
                wanted = INITIALIZER_NAME if field == INITIALIZER else INPUT_NAME
                names[field] |= set(map(bytes, _inside(graph[body:end], wanted)))
    missing = names[INITIALIZER] - names[INPUT]
    if missing:
        raise ModelError(
            f"{path} is no valid ONNX file: in its format version weights are inputs, and "
            f"{min(missing)[:100]!r} is none; export it again"
        )
