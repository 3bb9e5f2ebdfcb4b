"""ONNX files with a manifest: damaged bytes, and graphs whose nodes and tensors are changed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from litepose_edge.backends import find_model
from tests.fuzz import networks
from tests.fuzz.inputs.manifests import predict
from tests.fuzz.kinds import Answer, InputClass
from tests.fuzz.mutations import NUMBERS, mutate_bytes

OPERATORS = ("Relu", "Sigmoid", "MatMul", "Add", "Loop", "If", "Reshape", "Identity", "Foo", "Conv")

SIZES = (0, 1, 2, 7, 255, 2**31 - 1, -1)


@cache
def _seeds() -> list[bytes]:
    top = networks.document(networks.topdown(heatmaps=networks.HEATMAPS))
    found = networks.document(networks.detector("persondet", ["a"], [8]))
    up = networks.document(networks.bottomup())
    one = networks.document(networks.onestage({"kind": "yolo-pose"}, ["y"]))
    table = np.random.default_rng(3).uniform(0, 1, (1, 56, 84)).astype(np.float32)
    return [
        networks.with_manifest(networks.convolutions({"o": (17, 4)}), top),
        networks.with_manifest(networks.convolutions({"a": (5, 8)}), found),
        networks.with_manifest(networks.convolutions({"c": (34, 4), "f": (17, 2)}, free=True), up),
        networks.with_manifest(networks.constants({"y": table}), one),
    ]


def seeds() -> list[bytes]:
    """One network a task."""
    return _seeds()


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Bytes of one, or its graph."""
    content = sound[int(rng.integers(len(sound)))]
    if rng.integers(2):
        return mutate_bytes(rng, content, sound)
    model = onnx.load_from_string(content)
    for _ in range(int(rng.integers(1, 3))):
        _change(rng, model)
    return bytes(model.SerializeToString())


def _change(rng: np.random.Generator, model: onnx.ModelProto) -> None:
    graph = model.graph
    match int(rng.integers(4)):
        case 0 if graph.node:
            _change_node(rng, graph, graph.node[int(rng.integers(len(graph.node)))])
        case 1 if graph.initializer:
            _change_tensor(rng, graph.initializer[0])
        case 2:
            ends = [*graph.input, *graph.output]
            _change_type(rng, ends[int(rng.integers(len(ends)))].type.tensor_type)
        case _:
            if rng.integers(2):
                model.opset_import[0].version = int(rng.choice([0, 1, 5, 11, 99, -1]))
            else:
                model.ir_version = int(rng.choice([0, 1, 3, 99]))


def _change_node(rng: np.random.Generator, graph: Any, node: Any) -> None:
    match int(rng.integers(5)):
        case 0:
            node.op_type = str(rng.choice(OPERATORS))
        case 1 if node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            attribute.ints[:] = [int(rng.choice(SIZES))] * int(rng.integers(4))
        case 2:
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(["", "image", "x"]))
        case 3:
            graph.node.append(node)
        case _:
            graph.node.remove(node)


def _change_tensor(rng: np.random.Generator, tensor: Any) -> None:
    match int(rng.integers(4)):
        case 0:
            tensor.dims[int(rng.integers(len(tensor.dims)))] = int(rng.choice(SIZES))
        case 1:
            tensor.data_type = int(rng.integers(0, 24))
        case 2:
            tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]
        case _:
            _set_floats(rng, tensor)


def _change_type(rng: np.random.Generator, tensor_type: Any) -> None:
    dims = tensor_type.shape.dim
    if dims and rng.integers(4):
        dims[int(rng.integers(len(dims)))].dim_value = int(rng.choice(SIZES))
    else:
        tensor_type.elem_type = int(rng.integers(0, 24))


def _set_floats(rng: np.random.Generator, tensor: Any) -> None:
    value = np.float32(min(max(float(NUMBERS[int(rng.integers(len(NUMBERS)))]), -3e38), 3e38))
    if rng.integers(2):
        value = np.float32(rng.choice([np.nan, np.inf, -np.inf]))
    tensor.raw_data = np.full(len(tensor.raw_data) // 4, value, np.float32).tobytes()


def run(path: Path) -> Answer:
    """Open and predict."""
    return predict(path, find_model(path).manifest)


def refused_by(content: bytes) -> str | None:
    """The verdict of onnx's checker."""
    try:
        onnx.checker.check_model(onnx.load_from_string(content))
    except Exception as exc:  # noqa: BLE001 - whatever it raises, it refuses
        return f"onnx.checker: {' '.join(str(exc).split())[:150]}"
    return None


CLASS = InputClass(".onnx", seeds, mutate, run, refused_by)
