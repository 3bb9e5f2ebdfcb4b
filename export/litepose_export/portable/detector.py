"""A detector with everything around it: a frame in, people's boxes and scores out."""

from __future__ import annotations

import numpy as np
import onnx

from litepose_edge.manifest import DetectorSpec, TestTimeView
from litepose_export.errors import ExportError
from litepose_export.portable import crop, fusion, placement
from litepose_export.portable.detector_heads import Heads
from litepose_export.portable.graph import GraphWriter, tensor
from litepose_export.portable.network import Network

FRAME = "frame"
BOXES, SCORES = "boxes_xyxy", "scores"
# A box counts in one of several views at this part of the score that their fusion must have.
PER_VIEW_FACTOR = 0.5


def detector_graph(
    network: Network,
    spec: DetectorSpec,
    channels: str,
    *,
    min_score: float,
    size: int | None = None,
) -> onnx.GraphProto:
    """`frame` `(H, W, C)` uint8 to `boxes_xyxy` `(P, 4)` and `scores` `(P,)`, best first.

    Args:
        network: The detector.
        spec: Its task.
        channels: Order of the frame's channels.
        min_score: Boxes below are not reported.
        size: One view of at most so many pixels a side, whatever the manifest says.

    Raises:
        ExportError: The size does not fit, or the output format has no operators here.
    """
    graph = GraphWriter()
    boxes, scores = find_boxes(
        graph, network, spec, channels, crop.frame_size(graph, FRAME), min_score, size
    )
    graph.name(boxes, BOXES)
    graph.name(scores, SCORES)
    return graph.graph(
        f"portable_{network.manifest.name}",
        [tensor(FRAME, np.uint8, ("H", "W", len(channels)))],
        [tensor(BOXES, np.float32, ("P", 4)), tensor(SCORES, np.float32, ("P",))],
    )


def find_boxes(
    graph: GraphWriter,
    network: Network,
    spec: DetectorSpec,
    channels: str,
    frame_size: str,
    min_score: float,
    size: int | None,
) -> tuple[str, str]:
    """Boxes `(P, 4)` in frame pixels and scores `(P,)`, best first, of all views.

    The network lies once in the graph, in the body of a Loop that runs once a view.
    """
    views = _views(network, spec, size)
    least = min_score if len(views) == 1 else min_score * PER_VIEW_FACTOR
    boxes, scores, numbers = _all_views(graph, network, spec, channels, views, frame_size, least)
    if len(views) > 1:
        boxes, scores = fusion.fused(
            graph, boxes, scores, numbers,
            views=len(views), min_iou=spec.max_iou, min_score=min_score,
        )  # fmt: skip
    return boxes, scores


def _views(network: Network, spec: DetectorSpec, size: int | None) -> tuple[TestTimeView, ...]:
    own = network.manifest.input
    views = spec.views or (TestTimeView(width=own.width, height=own.height),)
    if size is not None:
        multiple = max(spec.strides, default=1)
        if size < multiple or size % multiple:
            raise ExportError(
                f"'{network.manifest.name}' takes sizes in steps of {multiple} pixels, not {size}"
            )
        views = (TestTimeView(width=size, height=size),)
    if not network.free_size and any(view.size != own.size for view in views):
        raise ExportError(
            f"'{network.manifest.name}' takes {own.width}x{own.height} pixels only; for other "
            "sizes export it with --dynamic-size"
        )
    return views


def _all_views(
    graph: GraphWriter,
    network: Network,
    spec: DetectorSpec,
    channels: str,
    views: tuple[TestTimeView, ...],
    frame_size: str,
    min_score: float,
) -> tuple[str, str, str]:
    """Boxes `(N, 4)` in frame pixels, scores `(N,)`, and the number of the view, `(N,)`."""
    sizes = graph.constant([[view.width, view.height] for view in views], np.float64)
    mirrors = graph.constant([[int(view.mirrored)] for view in views], np.int64)
    # Large frames are halved once for all views: with two of them half of that time.
    places = [
        placement.place(
            graph,
            frame_size,
            graph.constant([view.width, view.height], np.float64),
            spec,
            free_size=network.free_size,
        )
        for view in views
    ]
    halved = placement.halved_for_all(graph, FRAME, frame_size, places, channels)
    body = GraphWriter("view/")
    add = body.add
    number, going = "view/number", "view/going"
    largest = add("Gather", sizes, number, axis=0)
    flag = add("Gather", mirrors, number, axis=0)
    place = placement.place(body, frame_size, largest, spec, free_size=network.free_size)
    own = network.manifest.input
    planes = placement.picture(body, halved, place, own, spec, channels)
    if any(view.mirrored for view in views):
        planes = placement.mirrored(body, planes, flag)
    batch = crop.batch(body, planes, own)
    ranks = [len(shape) + 1 for shape in network.shapes]
    boxes, scores = Heads(body, network.write(body, batch), ranks, place.input_size, spec).decode()
    scores = add("Clip", scores, body.number(0), body.number(1))
    boxes, scores = fusion.suppressed(body, boxes, scores, spec.max_iou, min_score)
    if any(view.mirrored for view in views):
        width = body.columns(place.input_size, 0, 1)
        boxes = placement.unmirrored(body, boxes, width, flag)
    boxes, scores = fusion.visible(body, placement.to_frame(body, boxes, place, frame_size), scores)
    numbers = add("Add", add("Mul", body.cast(scores, np.int64), body.whole(0)), number)
    found = []
    carried = []
    for name, value, dtype, shape in (
        ("boxes", boxes, np.float32, ("N", 4)),
        ("scores", scores, np.float32, ("N",)),
        ("numbers", numbers, np.int64, ("N",)),
    ):
        so_far, then = f"view/{name}_so_far", f"view/{name}_then"
        body.name(add("Concat", so_far, value, axis=0), then)
        carried.append(tensor(so_far, dtype, shape))
        found.append(tensor(then, dtype, tuple(f"{axis}_then" if axis == "N" else axis
                                               for axis in shape)))  # fmt: skip
    body.name(going, "view/still")
    loop = body.graph(
        "view",
        [tensor(number, np.int64, ()), tensor(going, np.bool_, ()), *carried],
        [tensor("view/still", np.bool_, ()), *found],
    )
    nothing = [
        graph.constant(np.zeros(shape), dtype)
        for shape, dtype in (((0, 4), np.float32), ((0,), np.float32), ((0,), np.int64))
    ]
    all_found = graph.add_many(
        "Loop", graph.constant(len(views), np.int64), "", *nothing, count=3, body=loop
    )
    return all_found[0], all_found[1], all_found[2]
