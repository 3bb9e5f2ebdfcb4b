"""The ARM form of our INT8 files: signed activations (S8S8) in place of unsigned ones (U8S8).

Both hold the same weights. An activation's code `u` with zero point `z` and its code `u - 128` with
zero point `z - 128` stand for the same number, so that only the zero points differ: a few scalars
are rewritten when a file is read. ARM's kernels of ONNX Runtime are shorter for signed activations,
and round them as x86 does (ADR 24).
"""

from __future__ import annotations

from litepose_edge.backends.protobuf import BYTES, VARINT, fields, length_delimited, prefix, varint
from litepose_edge.errors import ModelError

# How the manifest inside a file of ours says that its activations are unsigned.
SCHEMES = (b'"scheme":"u8s8-reduced"', b'"scheme":"u8s8"')
SIGNED = b'"scheme":"s8s8"'
QUANTIZERS = (b"QuantizeLinear", b"DequantizeLinear")
ZERO_POINT = 2  # which of their inputs it is
UINT8, INT8 = 2, 3
# Numbers of fields: of a model, a graph, a node, a tensor.
GRAPH, METADATA = 7, 14
NODE, INITIALIZER, VALUE_INFO = 1, 5, 13
INPUT, OPERATOR, ATTRIBUTE = 1, 4, 5
DATA_TYPE, INT32_DATA, NAME, RAW_DATA = 2, 5, 8, 9


def with_signed_activations(content: bytes) -> bytes:
    """An INT8 file of ours with signed activations.

    Args:
        content: The bytes of an ONNX file.

    Returns:
        The same network in S8S8, its manifest included; `content` itself where it is no U8S8 file
        of `litepose-export`, or where it has other unsigned tensors than zero points.

    Raises:
        ModelError: It is damaged.
    """
    message = memoryview(content)
    try:
        parts = [
            (field, message[start:end], message[body:end])
            for field, _, start, body, end in fields(message)
        ]
        if not any(field == METADATA and _is_unsigned(value) for field, _, value in parts):
            return content
        signed: list[bytes | memoryview] = []
        for field, whole, value in parts:
            if field == GRAPH:
                changed = _graph(value)
                if changed is None:
                    return content
                signed += [prefix(field, sum(map(len, changed))), *changed]
            elif field == METADATA:
                signed.append(length_delimited(field, _metadata(value)))
            else:
                signed.append(whole)
    except (IndexError, ValueError) as exc:
        raise ModelError(f"the INT8 file is damaged: {exc}") from exc
    return b"".join(signed)


def _is_unsigned(entry: memoryview) -> bool:
    return any(scheme in bytes(entry) for scheme in SCHEMES)


def _metadata(entry: memoryview) -> bytes:
    """An entry of the file's metadata, with the scheme of its new form if it is the manifest."""
    parts = []
    for field, _, _, body, end in fields(entry):
        value = bytes(entry[body:end])
        for scheme in SCHEMES:
            value = value.replace(scheme, SIGNED)
        parts.append(length_delimited(field, value))
    return b"".join(parts)


def _graph(graph: memoryview) -> list[bytes | memoryview] | None:
    """The graph with signed zero points, in pieces; None where more than zero points is unsigned.

    Pieces, since a copy of some megabytes costs more than the parsing.
    """
    zero_points: set[bytes] = set()
    others: set[bytes] = set()
    for field, _, _, body, end in fields(graph):
        if field == NODE and not _sort_inputs(graph[body:end], zero_points, others):
            return None
    parts: list[bytes | memoryview] = []
    kept, found = 0, False
    for field, wire, start, body, end in fields(graph):
        if wire != BYTES or field not in (INITIALIZER, VALUE_INFO):
            continue
        if field == VALUE_INFO:  # only hints, which may say uint8
            changed = b""
        else:
            tensor = graph[body:end]
            name, data_type = _name_and_type(tensor)
            if data_type != UINT8:
                continue
            if name not in zero_points or name in others:
                return None
            found, changed = True, length_delimited(INITIALIZER, _signed(tensor))
        parts += [graph[kept:start], changed]
        kept = end
    return [*parts, graph[kept:]] if found else None


def _sort_inputs(node: memoryview, zero_points: set[bytes], others: set[bytes]) -> bool:
    """Note a node's inputs; False where it quantizes without a zero point that could be read."""
    inputs: list[bytes] = []
    operator = b""
    has_type = False
    for field, _, _, body, end in fields(node):
        if field == INPUT:
            inputs.append(bytes(node[body:end]))
        elif field == OPERATOR:
            operator = bytes(node[body:end])
        elif field == ATTRIBUTE:
            has_type = has_type or b"output_dtype" in bytes(node[body:end])
    if operator not in QUANTIZERS:
        others.update(inputs)
        return True
    if len(inputs) <= ZERO_POINT or not inputs[ZERO_POINT] or has_type:
        return False
    others.update(inputs[:ZERO_POINT])
    zero_points.add(inputs[ZERO_POINT])
    return True


def _name_and_type(tensor: memoryview) -> tuple[bytes, int]:
    name, data_type = b"", 0
    for field, wire, _, body, end in fields(tensor):
        if field == NAME and wire == BYTES:
            name = bytes(tensor[body:end])
        elif field == DATA_TYPE and wire == VARINT:
            data_type = varint(tensor, body)[0]
    return name, data_type


def _signed(tensor: memoryview) -> bytes:
    """A tensor of unsigned codes as one of signed codes, 128 lower."""
    codes = bytearray()
    parts = []
    for field, wire, start, body, end in fields(tensor):
        if field == RAW_DATA:
            codes += tensor[body:end]
        elif field == INT32_DATA and wire == BYTES:
            at = body
            while at < end:
                code, at = varint(tensor, at)
                codes.append(code)
        elif field == INT32_DATA:
            codes.append(varint(tensor, body)[0])
        elif field == DATA_TYPE:
            parts.append(bytes([DATA_TYPE << 3 | VARINT, INT8]))
        else:
            parts.append(bytes(tensor[start:end]))
    # 128 lower in two's complement: the highest bit turned.
    return b"".join([*parts, length_delimited(RAW_DATA, bytes(code ^ 128 for code in codes))])
