"""Detector and pose network in one graph: a frame in, the people in it out.

What `Estimator.predict(frame)` does without flip test: candidates of the detector, their poses,
one confidence, boxes that hold the bodies, and each person once (`litepose_edge.person_filter`).
"""

from __future__ import annotations

import math

import numpy as np
import onnx

from litepose_edge.boxes import BODY_MARGINS
from litepose_edge.manifest import DetectorSpec, TopDownSpec
from litepose_edge.person_filter import (
    BOX_WEIGHT,
    CONFIDENT_KEYPOINT,
    DUPLICATE_IOU,
    DUPLICATE_OKS,
    MAX_BOX_SCORE,
    MIN_BODY_KEYPOINTS,
    REFERENCE_BOX_SCORE,
)
from litepose_export.portable import crop, decode, detector, pose
from litepose_export.portable.boxes import box_iou, sides
from litepose_export.portable.graph import GraphWriter, tensor
from litepose_export.portable.network import Network

FRAME, BOXES, KEYPOINTS, PERSON_SCORES = "frame", "boxes_xyxy", "keypoints", "person_scores"
# As many as `Estimator` takes unless told otherwise.
MAX_PEOPLE = 20
LEAST = 1e-6
FAR = 1e9


def people_graph(
    pose_network: Network,
    pose_spec: TopDownSpec,
    detector_network: Network,
    detector_spec: DetectorSpec,
    channels: str,
    *,
    min_score: float,
    detector_size: int | None = None,
) -> onnx.GraphProto:
    """`frame` `(H, W, C)` uint8 to `keypoints` `(P, K, 3)`, `person_scores` and `boxes_xyxy`.

    The most confident come first.

    Args:
        pose_network: Finds the keypoints in boxes.
        pose_spec: Its task.
        detector_network: Finds the boxes.
        detector_spec: Its task.
        channels: Order of the frame's channels.
        min_score: People of less confidence are left out.
        detector_size: One view of at most so many pixels a side.

    Raises:
        ExportError: The size does not fit, or the detector's output format has no operators here.
    """
    graph = GraphWriter()
    add, joints = graph.add, len(pose_spec.skeleton)
    size = crop.frame_size(graph, FRAME)
    boxes, box_scores = detector.find_boxes(
        graph, detector_network, detector_spec, channels, size, min_score, detector_size
    )
    first = graph.whole(0), graph.whole(MAX_PEOPLE), graph.whole(0)
    boxes, box_scores = add("Slice", boxes, *first), add("Slice", box_scores, *first)
    keypoints, pose_scores, _ = pose.poses_in(graph, pose_network, pose_spec, channels, size, boxes)
    # One candidate of no score at the end: operators fail on nothing in some versions.
    boxes = add("Concat", boxes, graph.constant(np.zeros((1, 4))), axis=0)
    box_scores = add("Concat", box_scores, graph.constant([0]), axis=0)
    pose_scores = add("Concat", pose_scores, graph.constant([0]), axis=0)
    keypoints = add("Concat", keypoints, graph.constant(np.zeros((1, joints, 3))), axis=0)

    scores = confidence(graph, box_scores, pose_scores, pose_spec.min_pose_score)
    scores, order = graph.add_many(
        "TopK", scores, add("Shape", scores), count=2, axis=0, largest=1, sorted=1
    )
    boxes, keypoints = add("Gather", boxes, order, axis=0), add("Gather", keypoints, order, axis=0)
    boxes = widened(graph, boxes, keypoints, size)
    alike = duplicates(graph, keypoints, boxes, pose_spec.skeleton.oks_sigmas)
    kept = add("And", first_of_alike(graph, alike, scores),
               add("GreaterOrEqual", scores, graph.number(max(min_score, LEAST))))  # fmt: skip
    # Who is a person is told by scores as decoded.
    keypoints = decode.reported(graph, keypoints, pose_spec.score_calibration)
    for value, name in ((keypoints, KEYPOINTS), (scores, PERSON_SCORES), (boxes, BOXES)):
        graph.name(add("Compress", value, kept, axis=0), name)
    return graph.graph(
        f"portable_{pose_network.manifest.name}_{detector_network.manifest.name}",
        [tensor(FRAME, np.uint8, ("H", "W", len(channels)))],
        [
            tensor(KEYPOINTS, np.float32, ("P", joints, 3)),
            tensor(PERSON_SCORES, np.float32, ("P",)),
            tensor(BOXES, np.float32, ("P", 4)),
        ],
    )


def confidence(graph: GraphWriter, boxes: str, poses: str, min_pose_score: float) -> str:
    """`person_filter.person_confidence` of box scores and pose scores, `(P,)`."""
    add = graph.add

    def log_odds(scores: str) -> str:
        inside = add("Clip", scores, graph.number(LEAST), graph.number(1 - LEAST))
        return add("Log", add("Div", inside, add("Sub", graph.number(1), inside)))

    neutral = (1 - BOX_WEIGHT) * math.log(REFERENCE_BOX_SCORE / (1 - REFERENCE_BOX_SCORE))
    needed = min(max(min_pose_score, LEAST), 1 - LEAST)
    neutral -= math.log(needed / (1 - needed))
    of_box = log_odds(add("Min", boxes, graph.number(MAX_BOX_SCORE)))
    odds = add("Add", add("Mul", of_box, graph.number(BOX_WEIGHT)), log_odds(poses))
    return add("Sigmoid", add("Add", odds, graph.number(neutral)))


def widened(graph: GraphWriter, boxes: str, keypoints: str, frame_size: str) -> str:
    """`person_filter.widened_boxes`: boxes `(P, 4)` grown to hold the bodies in them.

    Args:
        graph: Where it is written.
        boxes: `(P, 4)` float32.
        keypoints: `(P, K, 3)` float32 with scores.
        frame_size: `(2,)` double.
    """
    add, axis = graph.add, graph.whole(1)
    points, scores = graph.columns(keypoints, 0, 2), graph.columns(keypoints, 2, 3)
    seen = add("GreaterOrEqual", scores, graph.number(CONFIDENT_KEYPOINT))
    count = add("ReduceSum", graph.cast(seen, np.float32), axis, keepdims=0)
    enough = add("GreaterOrEqual", count, graph.number(MIN_BODY_KEYPOINTS))
    low = add("ReduceMin", add("Where", seen, points, graph.number(FAR)), axis, keepdims=0)
    high = add("ReduceMax", add("Where", seen, points, graph.number(-FAR)), axis, keepdims=0)
    longer = add("ReduceMax", add("Sub", high, low), axis, keepdims=1)
    margins = add("Max", add("Mul", longer, graph.constant([BODY_MARGINS])), graph.number(0.5))
    low = add("Sub", low, graph.columns(margins, 0, 2))
    high = add("Add", high, graph.columns(margins, 2, 4))
    half = graph.number(0.5)
    last = add("Sub", graph.cast(frame_size, np.float32), half)
    low, high = (add("Min", add("Max", corner, graph.number(-0.5)), last) for corner in (low, high))
    low = add("Min", graph.columns(boxes, 0, 2), low)
    high = add("Max", graph.columns(boxes, 2, 4), high)
    return add("Where", enough, add("Concat", low, high, axis=1), boxes)


def duplicates(
    graph: GraphWriter, keypoints: str, boxes: str, oks_sigmas: tuple[float, ...]
) -> str:
    """`person_filter.duplicates`: which of P people are one person found twice, `(P, P)` bool."""
    add = graph.add
    ours, theirs = graph.whole(1), graph.whole(0)
    points, scores = graph.columns(keypoints, 0, 2), graph.columns(keypoints, 2, 3)
    away = add("Sub", add("Unsqueeze", points, ours), add("Unsqueeze", points, theirs))
    away = add("ReduceSum", add("Mul", away, away), graph.whole(3), keepdims=0)
    wide, high = sides(graph, graph.columns(boxes, 0, 2), graph.columns(boxes, 2, 4))
    zero, least = graph.number(0), graph.number(LEAST)
    area = add("Mul", add("Max", wide, zero), add("Max", high, zero))
    scale = add("Min", add("Unsqueeze", area, ours), add("Unsqueeze", area, theirs))
    scale = add("Unsqueeze", add("Max", scale, least), graph.whole(2))
    spread = 2 * (2 * np.array(oks_sigmas)) ** 2
    near = add("Exp", add("Neg", add("Div", away, add("Mul", scale, graph.constant(spread)))))
    scores = add("Squeeze", scores, graph.whole(2))
    weights = add("Mul", add("Unsqueeze", scores, ours), add("Unsqueeze", scores, theirs))
    total = add("ReduceSum", weights, graph.whole(2), keepdims=0)
    oks = add("ReduceSum", add("Mul", near, weights), graph.whole(2), keepdims=0)
    oks = add("Div", oks, add("Max", total, least))
    return add(
        "Or",
        add("Greater", oks, graph.number(DUPLICATE_OKS)),
        add("Greater", box_iou(graph, boxes), graph.number(DUPLICATE_IOU)),
    )


def first_of_alike(graph: GraphWriter, alike: str, scores: str) -> str:
    """`boxes.suppress` of people in order: `(P,)` bool, who is like none before that is kept.

    Args:
        graph: Where it is written.
        alike: `(P, P)` bool.
        scores: `(P,)`, for their number.
    """
    number, going, kept, still, left = (
        f"suppress/{part}" for part in ("number", "going", "kept", "still", "left")
    )
    people = graph.add("Squeeze", graph.add("Shape", scores), graph.whole(0))
    numbers = graph.add("Range", graph.constant(0, np.int64), people, graph.constant(1, np.int64))
    body = GraphWriter("suppress/")
    add = body.add
    dropped = add("And", add("Gather", alike, number, axis=0), add("Greater", numbers, number))
    dropped = add("And", dropped, add("Gather", kept, number, axis=0))
    body.name(add("And", kept, add("Not", dropped)), left)
    body.name(going, still)
    loop = body.graph(
        "suppress",
        [
            tensor(number, np.int64, ()),
            tensor(going, np.bool_, ()),
            tensor(kept, np.bool_, ("people",)),
        ],
        [tensor(still, np.bool_, ()), tensor(left, np.bool_, ("people",))],
    )
    return graph.add("Loop", people, "", graph.add("Equal", numbers, numbers), body=loop)
