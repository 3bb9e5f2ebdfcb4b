"""Brings graphs of others to what quantization and the simulator know: a recent opset, float32."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper, version_converter

from litepose_export.errors import UnsupportedOpError

# A scale for each channel came with 13; 18 is what our own exporter writes.
LEAST_OPSET, OPSET = 13, 18
IR_VERSION = 8
HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def modernize(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network at a recent opset, computing in float32; such a network as it is.

    Raises:
        UnsupportedOpError: A node of an old opset has no recent form.
    """
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), OPSET)
    halves = _computes_in_half(model)
    plain = opset >= LEAST_OPSET and not halves and not _constants_as_inputs(model)
    if plain and _nodes_are_named(model):
        return model
    modern = onnx.ModelProto()
    modern.CopyFrom(model)
    _drop_constants_from_inputs(modern)
    if opset < LEAST_OPSET:
        if opset < 9:
            _drop_old_attributes(modern)
        modern = _raised(modern, opset)
    if halves:
        _to_float32(modern)
    _name_nodes(modern)
    return modern


def _nodes_are_named(model: onnx.ModelProto) -> bool:
    names = [node.name for node in model.graph.node]
    return all(names) and len(set(names)) == len(names)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Names are optional in ONNX; what stays float is chosen by them."""
    seen: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{number}"
        while node.name in seen:
            node.name += "_"
        seen.add(node.name)


def _constants_as_inputs(model: onnx.ModelProto) -> bool:
    stored = {i.name for i in model.graph.initializer}
    return any(value.name in stored for value in model.graph.input)


def _drop_constants_from_inputs(model: onnx.ModelProto) -> None:
    """Before IR version 4 every initialiser had to be an input as well."""
    stored = {i.name for i in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in stored]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, IR_VERSION)


def _drop_old_attributes(model: onnx.ModelProto) -> None:
    """What the version converter stumbles over, though it changes nothing in inference."""
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            kept = [a for a in node.attribute if a.name in ("epsilon", "momentum")]
            del node.attribute[:]
            node.attribute.extend(kept)


def _raised(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    metadata = list(model.metadata_props)
    try:
        raised: onnx.ModelProto = version_converter.convert_version(model, OPSET)
        onnx.checker.check_model(raised)
    except (RuntimeError, onnx.checker.ValidationError, ValueError) as exc:
        reason = (str(exc).splitlines() or [type(exc).__name__])[0][:300]
        raise UnsupportedOpError(
            f"the graph is of opset {opset}, which has no scales a channel, and cannot be raised "
            f"to {OPSET}: {reason}; export it again with opset_version={OPSET}"
        ) from exc
    del raised.metadata_props[:]
    raised.metadata_props.extend(metadata)
    return raised


def _computes_in_half(model: onnx.ModelProto) -> bool:
    """Whether layers compute in float16; weights that are only stored so do not count."""
    stored = {i.name for i in model.graph.initializer if i.data_type == HALF}
    cast = {node.input[0] for node in model.graph.node if node.op_type == "Cast"}
    values = (*model.graph.input, *model.graph.output)
    if any(value.type.tensor_type.elem_type == HALF for value in values):
        return True
    to_half = any(
        a.name == "to" and a.i == HALF
        for node in model.graph.node
        if node.op_type == "Cast"
        for a in node.attribute
    )
    return to_half or bool(stored - cast)


def _to_float32(model: onnx.ModelProto) -> None:
    graph = model.graph
    for stored in graph.initializer:
        if stored.data_type == HALF:
            values = numpy_helper.to_array(stored).astype(np.float32)
            stored.CopyFrom(numpy_helper.from_array(values, stored.name))
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == HALF:
            value.type.tensor_type.elem_type = FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == HALF:
                values = numpy_helper.to_array(attribute.t).astype(np.float32)
                attribute.t.CopyFrom(numpy_helper.from_array(values, attribute.t.name))
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == HALF:
                attribute.i = FLOAT
    onnx.checker.check_model(model)
