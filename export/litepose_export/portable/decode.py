"""The keypoints of pose heads as ONNX operators: what `litepose_edge.decoding` computes."""

from __future__ import annotations

import numpy as np

from litepose_edge.decoding import heatmaps as numpy_heatmaps
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import (
    Alignment,
    HeatmapSpec,
    RegressionSpec,
    ScoreCalibration,
    SimccSpec,
    TopDownSpec,
)
from litepose_export.portable.graph import GraphWriter
from litepose_export.portable.heatmaps import Heatmaps


def decode(
    graph: GraphWriter,
    outputs: list[str],
    spec: TopDownSpec,
    shapes: list[tuple[int, ...]],
    input_size: Size,
) -> tuple[str, str]:
    """Keypoints `(P, K, 2)` in input pixels and scores `(P, K, 1)`, float32.

    Args:
        graph: Where they are written.
        outputs: Of the network, `(P, ...)` float32, those that the head reads.
        spec: The network's task.
        shapes: Of the outputs for one person, without P.
        input_size: Of the network's input.
    """
    joints = len(spec.skeleton)
    match spec.head:
        case HeatmapSpec() as head:
            map_size = Size(shapes[0][-1], shapes[0][-2])
            maps = Heatmaps(graph, outputs[0], joints, map_size, head.activation)
            cells, scores = maps.decode(head, spec.skeleton.oks_sigmas)
            scale, offset = alignment(map_size, input_size, head.alignment)
            places = graph.add("Mul", cells, graph.constant(scale))
            places = graph.add("Add", places, graph.constant(offset))
        case SimccSpec() as head:
            places, scores = _simcc(graph, outputs, head, [shape[-1] for shape in shapes])
        case RegressionSpec() as head:
            places, scores = _regression(graph, outputs[0], head, joints, input_size)
    return (
        graph.add("Reshape", places, graph.whole(-1, joints, 2)),
        graph.add("Reshape", scores, graph.whole(-1, joints, 1)),
    )


def reported(graph: GraphWriter, keypoints: str, calibration: ScoreCalibration | None) -> str:
    """Keypoints `(P, K, 3)` with the scores that are reported, calibrated where a file says how."""
    if calibration is None:
        return keypoints
    points, scores = graph.columns(keypoints, 0, 2), graph.columns(keypoints, 2, 3)
    scores = reported_scores(graph, scores, calibration)
    return graph.add("Concat", points, scores, axis=2)


def reported_scores(graph: GraphWriter, scores: str, calibration: ScoreCalibration | None) -> str:
    """`score_calibration.calibrate`."""
    if calibration is None:
        return scores
    add = graph.add
    # As double: next to 1 float32 has no room for log-odds.
    least, most = (graph.constant(n, np.float64) for n in (1e-6, 1 - 1e-6))
    inside = add("Min", add("Max", graph.cast(scores, np.float64), least), most)
    odds = add("Log", add("Div", inside, add("Sub", graph.constant(1, np.float64), inside)))
    odds = add("Mul", odds, graph.constant(calibration.scale, np.float64))
    odds = add("Add", odds, graph.constant(calibration.offset, np.float64))
    return graph.cast(add("Sigmoid", odds), np.float32)


def alignment(map_size: Size, input_size: Size, name: Alignment) -> tuple[Float32, Float32]:
    """Factor and offset `(2,)` that `cells_to_input` applies."""
    ends = np.array([[0, 0], [1, 1]], np.float32)
    at_0, at_1 = numpy_heatmaps.cells_to_input(ends, map_size, input_size, name)
    return at_1 - at_0, at_0


def pose_scores(graph: GraphWriter, scores: str) -> str:
    """`(P,)`: the mean of the scores `(P, K, 1)`, weighted by themselves."""
    axes = graph.whole(1, 2)
    squares = graph.add("ReduceSum", graph.add("Mul", scores, scores), axes, keepdims=1)
    total = graph.add("ReduceSum", scores, axes, keepdims=1)
    mean = graph.add("Div", squares, graph.add("Max", total, graph.number(1e-6)))
    return graph.add("Squeeze", mean, axes)


def _simcc(
    graph: GraphWriter, outputs: list[str], head: SimccSpec, bins: list[int]
) -> tuple[str, str]:
    """Places `(N, 2)` and scores `(N, 1)` of N = P x K keypoints."""
    found = [_bin(graph, values, count, head) for values, count in zip(outputs, bins, strict=True)]
    (x, in_x), (y, in_y) = found
    places = graph.add("Concat", x, y, axis=1)
    places = graph.add("Div", places, graph.number(head.split_ratio))
    scores = graph.add("Clip", graph.add("Min", in_x, in_y), graph.number(0), graph.number(1))
    return places, scores


def _bin(graph: GraphWriter, values: str, bins: int, head: SimccSpec) -> tuple[str, str]:
    """Bin as a real number, and the height of the peak there, both `(N, 1)`."""
    add = graph.add
    flat = add("Reshape", values, graph.whole(-1, bins))
    top = add("ArgMax", flat, axis=1, keepdims=1)
    place = graph.cast(top, np.float32)
    if head.window > 1 and bins >= head.window:
        place = add("Add", place, _vertex_of_window(graph, flat, top, bins, head.window))
    height = add("GatherElements", flat, top, axis=1)
    if head.activation == "softmax":
        powers = add("Exp", add("Sub", flat, height))
        total = add("ReduceSum", powers, graph.whole(1), keepdims=1)
        height = add("Div", graph.number(head.sigma * np.sqrt(2 * np.pi)), total)
    return place, height


def _vertex_of_window(graph: GraphWriter, flat: str, top: str, bins: int, window: int) -> str:
    """The vertex `(N, 1)` of the least-squares parabola around each peak."""
    add = graph.add
    half = window // 2
    steps = np.arange(-half, half + 1)
    inside = add(
        "And",
        add("GreaterOrEqual", top, graph.whole(half)),
        add("Less", top, graph.whole(bins - half)),
    )
    middle = add("Where", inside, top, graph.whole(half))
    around = add("GatherElements", flat, add("Add", middle, graph.whole(*steps)), axis=1)
    around = add("Sub", around, graph.columns(around, half, half + 1))
    squares = (steps**2).astype(np.float32)
    centred = squares - squares.mean()
    slope = add("MatMul", around, graph.constant((steps / squares.sum())[:, None]))
    bend = add("MatMul", around, graph.constant((centred / (centred**2).sum())[:, None]))
    peaked = add("And", inside, add("Less", bend, graph.number(0)))
    divisor = add("Where", peaked, add("Mul", bend, graph.number(-2)), graph.number(1))
    moved = add("Where", peaked, add("Div", slope, divisor), graph.number(0))
    return add("Clip", moved, graph.number(-half), graph.number(half))


def _regression(
    graph: GraphWriter, table: str, head: RegressionSpec, joints: int, input_size: Size
) -> tuple[str, str]:
    """Places and scores of a table of coordinates, `(N, 2)` and `(N, 1)`."""
    add = graph.add
    rows = add("Reshape", table, graph.whole(-1, 3))
    places = add("Gather", rows, graph.whole(head.order.index("x"), head.order.index("y")), axis=1)
    scores = add("Gather", rows, graph.whole(head.order.index("score")), axis=1)
    if head.activation == "sigmoid":
        scores = add("Sigmoid", scores)
    if head.unit == "image":
        pixels = np.array([input_size.width, input_size.height], np.float32)
        factor = pixels - 1 if head.alignment == "udp" else pixels
        places = add("Mul", places, graph.constant(factor))
        if head.alignment == "centre":
            places = add("Sub", places, graph.number(0.5))
    return places, add("Clip", scores, graph.number(0), graph.number(1))
