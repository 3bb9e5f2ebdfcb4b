"""One view of a detector inside the graph: the frame in its input, and boxes back in the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from litepose_edge.manifest import DetectorSpec, InputSpec
from litepose_export.portable import crop
from litepose_export.portable.graph import GraphWriter


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a frame lies in a detector's input. Pairs are `(x, y)`, double, `(2,)`.

    Attributes:
        input_size: Of the input.
        target: The frame's size in it.
        offset: Of the frame's corner in it.
        factor: Input pixels a frame pixel.
        seen: Frame pixels that are seen: all but a rest of a block.
        halvings: How often the frame is halved first, int64 without axes.
    """

    input_size: str
    target: str
    offset: str
    factor: str
    seen: str
    halvings: str


def place(
    graph: GraphWriter, frame_size: str, largest: str, spec: DetectorSpec, *, free_size: bool
) -> Placement:
    """How a frame is shrunk to fit into the input.

    Args:
        graph: Where it is written.
        frame_size: `(2,)` double.
        largest: `(2,)` double, the input's size; of a network of free size the largest.
        spec: The detector's conventions.
        free_size: Whether the input may be smaller, as small as the frame's shape allows.
    """
    add, one = graph.add, graph.constant([1], np.float64)
    input_size = largest
    if free_size and spec.strides and spec.placement != "stretch":
        multiple = graph.constant([max(spec.strides)], np.float64)
        scale = add("ReduceMin", add("Div", largest, frame_size), keepdims=1)
        needed = add("Round", add("Mul", frame_size, scale))
        needed = add("Mul", add("Ceil", add("Div", needed, multiple)), multiple)
        input_size = add("Max", add("Min", needed, largest), multiple)
    scale = add("Div", input_size, frame_size)
    if spec.placement == "stretch":
        # The mean of both axes decides, as in `preprocess.warp`.
        across, down = graph.columns(scale, 0, 1), graph.columns(scale, 1, 2)
        mean = add("Sqrt", add("Mul", across, down))
    else:
        mean = scale = add("ReduceMin", scale, keepdims=1)
    inverse = add("Div", one, mean)
    reduced = add("GreaterOrEqual", inverse, graph.constant(crop.REDUCTIONS, np.float64))
    halvings = add("ReduceSum", graph.cast(reduced, np.int64), keepdims=1)
    # A frame thinner than a block is not halved.
    thinnest = add("ReduceMin", frame_size, keepdims=1)
    possible = add("LessOrEqual", graph.constant(crop.REDUCTIONS, np.float64), thinnest)
    possible = add("ReduceSum", graph.cast(possible, np.int64), keepdims=1)
    halvings = add("Min", halvings, possible)
    block = add("Pow", graph.constant([2], np.float64), graph.cast(halvings, np.float64))
    seen = add("Mul", add("Floor", add("Div", frame_size, block)), block)
    # Whole input pixels, so that nothing is sampled between the frame and what is beside it.
    target = add("Max", add("Min", add("Round", add("Mul", seen, scale)), input_size), one)
    rest = add("Sub", input_size, target)
    if spec.placement == "centre":
        offset = add("Floor", add("Mul", rest, graph.constant([0.5], np.float64)))
    else:
        offset = add("Mul", rest, graph.constant([0], np.float64))
    return Placement(
        input_size, target, offset, add("Div", target, seen), seen,
        add("Squeeze", halvings, graph.whole(0)),
    )  # fmt: skip


def halved_for_all(
    graph: GraphWriter, frame: str, frame_size: str, places: Sequence[Placement], channels: str
) -> tuple[str, str]:
    """The frame as often halved as all its views want, `(1, h, w, C)` uint8, and how often.

    Args:
        graph: Where it is written.
        frame: `(H, W, C)` uint8.
        frame_size: `(2,)` double.
        places: Of all views.
        channels: Order of the frame's channels.
    """
    add = graph.add
    halvings = places[0].halvings
    for place in places[1:]:
        halvings = add("Min", halvings, place.halvings)
    block = add("Pow", graph.constant([2], np.float64), graph.cast(halvings, np.float64))
    whole = add("Mul", add("Floor", add("Div", frame_size, block)), block)
    part = add("Slice", frame, graph.whole(0, 0), _rows_first(graph, whole), graph.whole(0, 1))
    part = add("Unsqueeze", part, graph.whole(0))
    return crop.halved(graph, part, halvings, len(channels)), halvings


def picture(
    graph: GraphWriter,
    halved: tuple[str, str],
    place: Placement,
    network: InputSpec,
    spec: DetectorSpec,
    channels: str,
) -> str:
    """The input's planes, `(1, 3, h, w)` float32 of whole numbers.

    Args:
        graph: Where it is written.
        halved: Of `halved_for_all`.
        place: Of the frame in the input.
        network: What the network takes.
        spec: The detector's conventions.
        channels: Order of the frame's channels.
    """
    add = graph.add
    pixels, times = halved
    block = add("Pow", graph.constant([2], np.float64), graph.cast(times, np.float64))
    seen = _rows_first(graph, add("Div", place.seen, block))
    part = add("Slice", pixels, graph.whole(0, 0), seen, graph.whole(1, 2))
    small = crop.halved(graph, part, add("Sub", place.halvings, times), len(channels))
    scaled = crop.planes(graph, small, network, channels)
    scaled = crop.resized(graph, scaled, _rows_first(graph, place.target))
    before = _rows_first(graph, place.offset)
    after = add("Sub", _rows_first(graph, add("Sub", place.input_size, place.target)), before)
    pads, axes = add("Concat", before, after, axis=0), graph.whole(2, 3)
    order = "bgr" if network.in_graph else network.colour
    fill = np.array([spec.fill["bgr".index(letter)] for letter in order], np.float32)
    if len(set(spec.fill)) == 1:
        return add("Pad", scaled, pads, graph.number(fill[0]), axes)
    colour = graph.constant(fill.reshape(1, 3, 1, 1))
    bordered = add("Pad", add("Sub", scaled, colour), pads, graph.number(0), axes)
    return add("Add", bordered, colour)


def mirrored(graph: GraphWriter, pixels: str, flag: str) -> str:
    """Left and right exchanged where the flag `(1,)` int64 is 1."""
    add = graph.add
    none = add("Equal", flag, graph.whole(0))
    start = add("Where", none, graph.whole(0), graph.whole(-1))
    end = add("Where", none, graph.whole(2**31 - 1), graph.whole(-(2**31)))
    step = add("Where", none, graph.whole(1), graph.whole(-1))
    return add("Slice", pixels, start, end, graph.whole(3), step)


def unmirrored(graph: GraphWriter, boxes: str, width: str, flag: str) -> str:
    """Boxes `(N, 4)` of a mirrored input as if it were not, where the flag is 1."""
    add = graph.add
    last = add("Sub", graph.cast(width, np.float32), graph.constant([1]))
    exchanged = add("Gather", boxes, graph.whole(2, 1, 0, 3), axis=1)
    across = graph.constant([[True, False, True, False]], np.bool_)
    back = add("Where", across, add("Sub", last, exchanged), exchanged)
    return add("Where", add("Equal", flag, graph.whole(1)), back, boxes)


def to_frame(graph: GraphWriter, boxes: str, place: Placement, frame_size: str) -> str:
    """Boxes `(N, 4)` float32 in input pixels, in the frame's pixels, clipped to the frame."""
    add = graph.add
    half = graph.constant([0.5], np.float64)
    corners = add("Reshape", graph.cast(boxes, np.float64), graph.whole(-1, 2))
    edges = add("Div", add("Sub", add("Add", corners, half), place.offset), place.factor)
    edges = add("Min", add("Max", edges, graph.constant([0], np.float64)), frame_size)
    return graph.cast(add("Reshape", add("Sub", edges, half), graph.whole(-1, 4)), np.float32)


def _rows_first(graph: GraphWriter, pair: str) -> str:
    """Whole numbers `(y, x)` of a pair `(x, y)`."""
    return graph.cast(graph.add("Gather", pair, graph.whole(1, 0), axis=0), np.int64)
