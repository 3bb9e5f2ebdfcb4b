"""Tables of one-stage networks to order, manifests for them, and ONNX files that give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge import COCO_17, Skeleton
from litepose_edge.manifest import (
    InputSpec,
    Manifest,
    OneStageSpec,
    RtmoFormat,
    YoloPoseFormat,
    encode_manifest,
)
from litepose_edge.skeletons import skeleton_named

HAND = skeleton_named("hand21")
assert HAND is not None
SKELETONS: dict[int, Skeleton] = {17: COCO_17, 21: HAND}
SIDE = 64


def manifest(
    form: str = "raw", keypoints: int = 17, *, side: int = SIDE, plain: bool = False, **fields: Any
) -> Manifest:
    """Of a network with an input of side x side; `plain` values stay 0 to 255."""
    spec = InputSpec(
        width=side, height=side, colour="rgb", mean=(0, 0, 0), std=(1.0 if plain else 255.0,) * 3
    )
    rtmo = form == "rtmo"
    head = {} if rtmo else {k: fields.pop(k) for k in ("classes", "person") if k in fields}
    model = OneStageSpec(
        output_format=RtmoFormat()
        if rtmo
        else YoloPoseFormat(end_to_end=form == "end to end", **head),
        outputs=("dets", "keypoints") if rtmo else ("output0",),
        skeleton=SKELETONS[keypoints],
        fill=(114, 114, 114),
        placement="corner" if rtmo else "centre",
        **fields,
    )
    return Manifest(schema=1, name="fake", precision="fp32", input=spec, model=model)


def person(
    box: tuple[float, float, float, float], score: float, keypoints: int = 17, seed: int = 0
) -> tuple[np.ndarray, float, np.ndarray]:
    """Edges, score, and keypoints `(K, 3)` somewhere in the box."""
    rng = np.random.default_rng(seed)
    x1, y1, x2, y2 = box
    points = rng.uniform((x1, y1, 0.5), (x2, y2, 1), (keypoints, 3))
    return np.array(box, np.float64), score, points


def tables(
    form: str, people: list[Any], keypoints: int = 17, rows: int = 40
) -> dict[str, np.ndarray]:
    """What a network gives that finds these people, filled up with candidates of score 0."""
    edges = np.zeros((rows, 4))
    scores = np.zeros(rows)
    points = np.zeros((rows, keypoints, 3))
    for row, (box, score, found) in enumerate(people):
        edges[row], scores[row], points[row] = box, score, found
    flat = points.reshape(rows, -1)
    if form == "rtmo":
        dets = np.column_stack([edges, scores])
        return {k: v[None].astype(np.float32) for k, v in (("dets", dets), ("keypoints", points))}
    if form == "end to end":
        table = np.column_stack([edges, scores, np.zeros(rows), flat])
        return {"output0": table[None].astype(np.float32)}
    middles, sizes = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
    table = np.column_stack([middles, sizes, scores, flat])
    return {"output0": np.ascontiguousarray(table.T)[None].astype(np.float32)}


def write_onnx(
    path: Path, outputs: dict[str, np.ndarray], described: Manifest | None = None, side: int = SIDE
) -> Path:
    """A file that gives these arrays whatever it sees."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, side, side])
    # The input must be read, or OpenVINO takes it out of the graph.
    zero = numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "zero")
    nodes = [
        helper.make_node("Mul", ["images", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing"], ["none"], keepdims=0),
    ]
    stored, ends = [zero], []
    for name, array in outputs.items():
        stored.append(numpy_helper.from_array(array, f"{name}.c"))
        nodes.append(helper.make_node("Add", [f"{name}.c", "none"], [name]))
        ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    graph = helper.make_graph(nodes, "g", [image], ends, stored)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    if described is not None:
        helper.set_model_props(model, {"litepose_edge": encode_manifest(described)})
    onnx.save(model, path)
    return path
