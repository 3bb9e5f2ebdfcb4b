"""Crops inside the graph: the view of each person as `litepose_edge.preprocess` cuts it.

The views are those of `geometry.crop_view`: rectangles of whole image pixels, and of whole blocks
of them where a view is reduced to half or less. Blocks are averaged by halving the picture until
it is less than twice too large; bilinear sampling does the rest. So nothing aliases, and only the
pixels that a person's view holds are ever touched, not the whole frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from litepose_edge.geometry import Size
from litepose_edge.manifest import InputSpec
from litepose_edge.preprocess import MAX_COORDINATE
from litepose_export.portable.graph import GraphWriter, tensor

# 2, 4, 8, ... : the largest box that is taken is reduced by less than the last.
REDUCTIONS = 2.0 ** np.arange(1, 63)


@dataclass(frozen=True, slots=True)
class Views:
    """Names of what is known of each person's view.

    Attributes:
        valid: `(P, 1)` bool, whether the box is finite, not empty, and touches the frame.
        starts: `(P, 2)` int64, first row and column of the frame that are seen.
        ends: `(P, 2)` int64, behind the last ones.
        halvings: `(P,)` int64.
        pads: `(P, 4)` int64, blocks to add above, to the left, below and to the right.
        pixels: `(P, 2)` double, frame pixels that one input pixel covers, `(x, y)`.
        corner: `(P, 2)` double, the view's upper left edges in the frame.
    """

    valid: str
    starts: str
    ends: str
    halvings: str
    pads: str
    pixels: str
    corner: str


def frame_size(graph: GraphWriter, frame: str) -> str:
    """`(2,)` double, width and height of the frame."""
    shape = graph.add("Shape", frame)
    return graph.cast(graph.add("Gather", shape, graph.whole(1, 0)), np.float64)


def views(graph: GraphWriter, boxes: str, size: str, input_size: Size, padding: float) -> Views:
    """The view of each box, `geometry.crop_view` in operators.

    Args:
        graph: Where they are written.
        boxes: `(P, 4)` float32.
        size: `(2,)` double, of the frame.
        input_size: Of the network's input.
        padding: Factor by which a box grows.
    """
    add = graph.add

    def d(*values: float) -> str:
        return graph.constant(values, np.float64)

    given = graph.cast(boxes, np.float64)
    valid = _valid(graph, given, size)
    whole_frame = add("Concat", d(0, 0), size, axis=0)
    clean = add("Where", valid, given, whole_frame)
    low, high = graph.columns(clean, 0, 2), graph.columns(clean, 2, 4)
    centre = add("Mul", add("Add", low, high), d(0.5))
    extent = add("Max", add("Sub", high, low), d(1e-6))
    input_pixels = d(input_size.width, input_size.height)
    scale = add("ReduceMin", add("Div", input_pixels, extent), graph.whole(1), keepdims=1)
    scale = add("Div", scale, d(padding))

    reduced = add("GreaterOrEqual", add("Div", d(1), scale), graph.constant(REDUCTIONS, np.float64))
    halvings = add("ReduceSum", graph.cast(reduced, np.int64), graph.whole(1), keepdims=1)
    block = add("Pow", d(2), graph.cast(halvings, np.float64))

    seen = add("Div", input_pixels, scale)
    rounded = add("Max", add("Round", add("Div", seen, block)), d(1))
    rounded = add("Mul", rounded, block)
    shift = add("Sub", d((input_size.width - 1) / 2, (input_size.height - 1) / 2),
                add("Mul", scale, centre))  # fmt: skip
    start = add("Add", add("Div", add("Sub", d(-0.5), shift), scale), d(0.5))
    middle = add("Mul", add("Sub", seen, rounded), d(0.5))
    start = add("Mul", add("Round", add("Div", add("Add", start, middle), block)), block)
    return _placed(graph, valid, size, input_pixels, (start, rounded, block, halvings))


def _valid(graph: GraphWriter, boxes: str, size: str) -> str:
    add = graph.add
    zero, largest = (graph.constant([n], np.float64) for n in (0, MAX_COORDINATE))
    low, high = graph.columns(boxes, 0, 2), graph.columns(boxes, 2, 4)
    # Not a number is at most nothing, so it is refused as well.
    finite = add("LessOrEqual", add("Abs", boxes), largest)
    inside = add("And", add("Greater", high, zero), add("Less", low, size))
    good = add("Concat", finite, add("And", inside, add("Less", low, high)), axis=1)
    least = add("ReduceMin", graph.cast(good, np.int32), graph.whole(1), keepdims=1)
    return graph.cast(least, np.bool_)


def _placed(
    graph: GraphWriter, valid: str, size: str, input_pixels: str, view: tuple[str, str, str, str]
) -> Views:
    """What of the view lies in the frame, in whole blocks, and what must be added around it."""
    add = graph.add
    start, extent, block, halvings = view
    zero, one = (graph.constant([n], np.float64) for n in (0, 1))
    end = add("Add", start, extent)
    left = add("Max", start, zero)
    blocks = add("Floor", add("Div", add("Sub", add("Min", end, size), left), block))
    blocks = add("Max", blocks, zero)
    # A view of blocks so large that none lies in the frame shows what is beside it only.
    nothing = add("Less", add("ReduceMin", blocks, graph.whole(1), keepdims=1), one)
    blocks = add("Where", nothing, zero, blocks)
    halvings = add("Where", nothing, graph.whole(0), halvings)
    total = add("Div", extent, block)
    before = add("Min", add("Div", add("Sub", left, start), block), add("Sub", total, blocks))
    after = add("Sub", add("Sub", total, blocks), before)
    left = add("Where", nothing, zero, left)
    seen_end = add("Add", left, add("Mul", blocks, block))
    swap = graph.whole(1, 0)  # rows first

    def rows_first(value: str) -> str:
        return graph.cast(add("Gather", value, swap, axis=1), np.int64)

    return Views(
        valid=valid,
        starts=rows_first(left),
        ends=rows_first(seen_end),
        halvings=add("Squeeze", halvings, graph.whole(1)),
        pads=add("Concat", rows_first(before), rows_first(after), axis=1),
        pixels=add("Div", extent, input_pixels),
        corner=start,
    )


def cut(graph: GraphWriter, person: str, frame: str, view: Views, channels: int) -> str:
    """One person's view of the frame, reduced by whole blocks, `(1, h, w, C)` uint8.

    Args:
        graph: The body that runs once a person.
        person: Number of the person, int64 without axes.
        frame: `(H, W, C)` uint8.
        view: Of all people.
        channels: C.
    """
    starts, ends, halvings, pads = (
        graph.add("Gather", value, person, axis=0)
        for value in (view.starts, view.ends, view.halvings, view.pads)
    )
    part = graph.add("Slice", frame, starts, ends, graph.whole(0, 1))
    part = graph.add("Unsqueeze", part, graph.whole(0))
    small = halved(graph, part, halvings, channels)
    return graph.add(
        "Pad", small, pads, graph.constant(0, np.uint8), graph.whole(1, 2), mode="constant"
    )


def halved(graph: GraphWriter, pixels: str, times: str, channels: int) -> str:
    """A picture at half its size, so many times over: each pixel is the mean of four.

    Rows are added in pairs, then the columns by a product: for full HD 4.3 ms, where Resize to
    half the size takes 5.9.

    Args:
        graph: Where it is written.
        pixels: `(1, h, w, C)` uint8; sides that halve evenly.
        times: int64 without axes.
        channels: C.
    """
    number, going, source, still, target = (
        f"{pixels}/{part}" for part in ("number", "going", "source", "still", "target")
    )
    body = GraphWriter(f"{pixels}/half/")
    add, two = body.add, body.whole(2)
    end, axis = body.whole(2**31 - 1), body.whole(1)
    rows = [
        body.cast(add("Slice", source, body.whole(start), end, axis, two), np.float32)
        for start in (0, 1)
    ]
    pairs = add("Reshape", add("Add", *rows), body.whole(-1, 2 * channels))
    quarter = np.concatenate([np.eye(channels)] * 2) / 4
    mean = add("MatMul", pairs, body.constant(quarter))
    size = add("Div", add("Shape", source, start=1, end=3), two)
    shape = add("Concat", body.whole(1), size, body.whole(channels), axis=0)
    mean = body.cast(_rounded(body, mean), np.uint8)
    body.name(add("Reshape", mean, shape), target)
    body.name(going, still)
    loop = body.graph(
        "halve",
        [
            tensor(number, np.int64, ()),
            tensor(going, np.bool_, ()),
            tensor(source, np.uint8, None),
        ],
        [tensor(still, np.bool_, ()), tensor(target, np.uint8, None)],
    )
    return graph.add("Loop", times, "", pixels, body=loop)


def planes(graph: GraphWriter, pixels: str, spec: InputSpec, channels: str) -> str:
    """Pixels `(1, h, w, C)` uint8 as `(1, 3, h, w)` float32 in the network's channel order."""
    wanted = "bgr" if spec.in_graph else spec.colour
    order = [channels.index(letter) for letter in wanted]
    apart = graph.add("Transpose", pixels, perm=[0, 3, 1, 2])
    if order != list(range(len(channels))):
        apart = graph.add("Gather", apart, graph.whole(*order), axis=1)
    return graph.cast(apart, np.float32)


def resized(graph: GraphWriter, planes: str, height_width: str) -> str:
    """Planes `(1, 3, h, w)` at another size `(2,)` int64, bilinear, in whole numbers.

    As float32, a plane each: 0.32 ms for a crop of 256x192. ONNX Runtime takes 0.42 ms for bytes,
    and cuts their fractions off.
    """
    sizes = graph.add("Concat", graph.whole(1, 3), height_width, axis=0)
    sampled = graph.add(
        "Resize", planes, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel"
    )
    return _rounded(graph, sampled)


def _rounded(graph: GraphWriter, values: str) -> str:
    """To the nearest whole number as OpenCV rounds: halves up."""
    return graph.add("Floor", graph.add("Add", values, graph.number(0.5)))


def batch(graph: GraphWriter, planes: str, spec: InputSpec) -> str:
    """Planes `(1, 3, h, w)` of whole numbers as the network wants its input."""
    if spec.dtype == "float32":
        scale = 1 / np.array(spec.std, np.float32).reshape(1, 3, 1, 1)
        mean = np.array(spec.mean, np.float32).reshape(1, 3, 1, 1)
        planes = graph.add("Mul", planes, graph.constant(scale))
        planes = graph.add("Add", planes, graph.constant(-mean * scale))
    if spec.channels_last:
        planes = graph.add("Transpose", planes, perm=[0, 2, 3, 1])
    return planes if spec.dtype == "float32" else graph.cast(planes, np.uint8)


def to_frame(graph: GraphWriter, points: str, view: Views) -> str:
    """Points `(P, K, 2)` float32 in input pixels, in the frame's pixels."""
    half = graph.constant([0.5], np.float64)
    axis = graph.whole(1)
    edges = graph.add("Add", graph.cast(points, np.float64), half)
    moved = graph.add("Mul", edges, graph.add("Unsqueeze", view.pixels, axis))
    corner = graph.add("Sub", graph.add("Unsqueeze", view.corner, axis), half)
    return graph.cast(graph.add("Add", moved, corner), np.float32)
