"""Boxes of several test-time views of one image, fused into one set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from litepose_edge.boxes import box_iou
from litepose_edge.geometry import Float32


def fuse(
    views: Sequence[tuple[Float32, Float32]], min_iou: float, min_score: float
) -> tuple[Float32, Float32]:
    """Weighted boxes fusion (Solovyev et al., arXiv 1910.13302).

    The best box first, each joins the one of every other view that has most overlap times score.
    Edges are means weighted by the scores, scores plain means: a view without a box there
    counts as 0.

    Args:
        views: Boxes `(P, 4)` float32 xyxy of each view in image pixels, no person twice,
            and scores `(P,)` float32 in `(0, 1]`.
        min_iou: Boxes that overlap less are different people's.
        min_score: People whose mean score is lower are left out.

    Returns:
        boxes: `(Q, 4)` float32.
        scores: `(Q,)` float32 in `(0, 1]`, in no order.
    """
    boxes = np.concatenate([found for found, _ in views])
    scores = np.concatenate([found for _, found in views])
    spans = list(pairwise(np.cumsum([0, *(len(found) for found, _ in views)]).tolist()))
    overlap = box_iou(boxes, boxes)
    affinity = np.where(overlap >= min_iou, overlap * scores, 0)
    for start, end in spans:
        affinity[start:end, start:end] = 0
    free = np.ones(len(boxes), np.bool_)
    fused, means = [], []
    for i in np.argsort(-scores, kind="stable").tolist():
        if scores[i] < min_score:
            break  # no box left scores more, nor does the mean of those that would join
        if not free[i]:
            continue
        near = affinity[i] * free
        members = [i]
        members += [s + int(near[s:end].argmax()) for s, end in spans if near[s:end].any()]
        free[members] = False
        total = scores[members].sum()
        if total >= min_score * len(views):
            fused.append(scores[members] @ boxes[members] / total)
            means.append(total / len(views))
    return np.array(fused, np.float32).reshape(-1, 4), np.array(means, np.float32)
