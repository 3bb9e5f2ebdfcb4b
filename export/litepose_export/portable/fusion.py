"""Suppression, and the fusion of several views, as ONNX operators."""

from __future__ import annotations

import numpy as np

from litepose_export.portable.boxes import box_iou, sides
from litepose_export.portable.graph import GraphWriter, tensor

# As many boxes as `pipelines.detector` lets suppression compare.
MAX_BOXES = 1000


def suppressed(
    graph: GraphWriter, boxes: str, scores: str, max_iou: float, min_score: float
) -> tuple[str, str]:
    """The boxes that non-maximum suppression leaves, best first, and their scores.

    Args:
        graph: Where it is written.
        boxes: `(N, 4)` float32 xyxy.
        scores: `(N,)` float32.
        max_iou: A box overlapping a better one by more is dropped.
        min_score: Boxes below are dropped.
    """
    add = graph.add
    # The operator drops what scores as much as the threshold, the runtime what scores less.
    least = float(np.nextafter(np.float32(min_score), np.float32(-1)))
    chosen = add(
        "NonMaxSuppression",
        add("Unsqueeze", boxes, graph.whole(0)),
        add("Unsqueeze", scores, graph.whole(0, 1)),
        graph.whole(MAX_BOXES),
        graph.constant([max_iou]),
        graph.constant([least]),
    )
    kept = add("Squeeze", graph.columns(chosen, 2, 3), graph.whole(1))
    return add("Gather", boxes, kept, axis=0), add("Gather", scores, kept, axis=0)


def visible(graph: GraphWriter, boxes: str, scores: str) -> tuple[str, str]:
    """Boxes that hold something, and their scores."""
    add, zero = graph.add, graph.number(0)
    wide, high = sides(graph, graph.columns(boxes, 0, 2), graph.columns(boxes, 2, 4))
    there = add("And", add("Greater", wide, zero), add("Greater", high, zero))
    return add("Compress", boxes, there, axis=0), add("Compress", scores, there, axis=0)


def fused(
    graph: GraphWriter,
    boxes: str,
    scores: str,
    numbers: str,
    *,
    views: int,
    min_iou: float,
    min_score: float,
) -> tuple[str, str]:
    """What `litepose_edge.decoding.box_fusion.fuse` and suppression leave, best first.

    Args:
        graph: Where it is written.
        boxes: `(N, 4)` float32 of all views.
        scores: `(N,)` float32.
        numbers: `(N,)` int64, which view found each.
        views: How many views there were.
        min_iou: Boxes that overlap less are different people's.
        min_score: People whose mean score is lower are left out.
    """
    add = graph.add
    axis = graph.whole(1)
    # A box of no score at the end: operators that have nothing to work on fail in some versions.
    boxes = add("Concat", boxes, graph.constant([[0, 0, 0, 0]]), axis=0)
    scores = add("Concat", scores, graph.constant([0]), axis=0)
    numbers = add("Concat", numbers, graph.whole(-1), axis=0)
    overlap = box_iou(graph, boxes)
    other = add(
        "Not", add("Equal", add("Unsqueeze", numbers, graph.whole(1)),
                   add("Unsqueeze", numbers, graph.whole(0)))
    )  # fmt: skip
    near = add("And", other, add("GreaterOrEqual", overlap, graph.number(min_iou)))
    affinity = add("Where", near, add("Mul", overlap, scores), graph.number(0))
    of_view = add("Equal", graph.constant(np.arange(views)[:, None], np.int64), numbers)
    of_view = graph.cast(of_view, np.float32)
    count = add("Shape", scores)
    _, best_first = graph.add_many("TopK", scores, count, count=2, axis=0, largest=1, sorted=1)
    # Boxes that score less than a person must are joined, but begin none.
    begin = graph.cast(add("GreaterOrEqual", scores, graph.number(min_score)), np.int64)
    times = add("Max", add("ReduceSum", begin, keepdims=0), graph.constant(1, np.int64))
    weights = _members(graph, (scores, affinity, of_view, best_first), times)
    total = add("ReduceSum", weights, axis, keepdims=1)
    means = add("Div", add("Squeeze", total, axis), graph.number(views))
    joined = add("Div", add("MatMul", weights, boxes), add("Max", total, graph.number(1e-9)))
    return suppressed(graph, joined, means, min_iou, min_score)


def _members(graph: GraphWriter, given: tuple[str, str, str, str], times: str) -> str:
    """`(M, N)`: the scores of the boxes that each of the M best joins with, the best first.

    A box that has joined a better one has a row of zeros.
    """
    scores, affinity, of_view, best_first = given
    number, going, free, still, left, row = (
        f"join/{part}" for part in ("number", "going", "free", "still", "left", "row")
    )
    body = GraphWriter("join/")
    add = body.add
    here = add("Gather", best_first, number, axis=0)
    near = add("Mul", add("Gather", affinity, here, axis=0), free)
    near = add("Mul", of_view, near)
    top = add("ArgMax", near, axis=1, keepdims=0)
    there = add("Greater", add("ReduceMax", near, body.whole(1), keepdims=1), body.number(0))
    length = add("Squeeze", add("Shape", free), body.whole(0))
    ends = body.constant([0, 1])
    partners = add("Mul", add("OneHot", top, length, ends), body.cast(there, np.float32))
    itself = add("OneHot", add("Unsqueeze", here, body.whole(0)), length, ends)
    both = add("Concat", itself, partners, axis=0)
    members = add("ReduceSum", both, body.whole(0), keepdims=0)
    members = add("Mul", members, add("Gather", free, here, axis=0))
    body.name(add("Sub", free, add("Mul", members, free)), left)
    body.name(add("Mul", members, scores), row)
    body.name(going, still)
    loop = body.graph(
        "join",
        [
            tensor(number, np.int64, ()),
            tensor(going, np.bool_, ()),
            tensor(free, np.float32, ("N",)),
        ],
        [
            tensor(still, np.bool_, ()),
            tensor(left, np.float32, ("N",)),
            tensor(row, np.float32, ("N",)),
        ],
    )
    all_free = graph.cast(graph.add("Equal", scores, scores), np.float32)
    return graph.add_many("Loop", times, "", all_free, count=2, body=loop)[1]
