"""Boxes in operators: `litepose_edge.boxes`."""

from __future__ import annotations

from litepose_export.portable.graph import GraphWriter


def box_iou(graph: GraphWriter, boxes: str) -> str:
    """`(N, N)` intersection over union."""
    add = graph.add
    zero = graph.number(0)
    low, high = graph.columns(boxes, 0, 2), graph.columns(boxes, 2, 4)

    def area(starts: str, ends: str) -> str:
        wide, high = (add("Max", side, zero) for side in sides(graph, starts, ends))
        return add("Mul", wide, high)

    ours, theirs = graph.whole(1), graph.whole(0)
    ends = add("Min", add("Unsqueeze", high, ours), add("Unsqueeze", high, theirs))
    starts = add("Max", add("Unsqueeze", low, ours), add("Unsqueeze", low, theirs))
    overlap = area(starts, ends)
    areas = area(low, high)
    both = add("Add", add("Unsqueeze", areas, ours), add("Unsqueeze", areas, theirs))
    union = add("Max", add("Sub", both, overlap), graph.number(1e-9))
    return add("Div", overlap, union)


def sides(graph: GraphWriter, starts: str, ends: str) -> tuple[str, str]:
    """Widths and heights between corners `(..., 2)`."""
    extent, last = graph.add("Sub", ends, starts), graph.whole(-1)
    wide, high = (graph.add("Squeeze", graph.columns(extent, i, i + 1), last) for i in (0, 1))
    return wide, high
