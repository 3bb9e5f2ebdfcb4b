"""Who is reported as a person: confidence, duplicates, and the box a body fills.

The one place of these rules, for images, streams and trackers, whatever network found the people.
`PersonFilter` applies them to one image; a tracker applies the same functions to its tracks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.boxes import body_boxes, box_area, box_iou, clip_boxes, suppress
from litepose_edge.geometry import Float32, Size
from litepose_edge.oks import pairwise_oks
from litepose_edge.results import Poses

# From this score on a keypoint counts as seen.
CONFIDENT_KEYPOINT = 0.3
# So many of them tell where a body is.
MIN_BODY_KEYPOINTS = 3
# Two poses are one person if they are this similar, or their bodies' boxes overlap this much.
DUPLICATE_OKS, DUPLICATE_IOU = 0.7, 0.6
# The confidence in a person weighs the detector's log-odds by this, the pose network's by 1 ...
BOX_WEIGHT = 0.65
# ... and counts no box for more than this: keypoints can overrule any box.
MAX_BOX_SCORE = 0.6
# `min_pose_score` of a manifest is stated for boxes of this score, the default `min_score`.
REFERENCE_BOX_SCORE = 0.3
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class PersonFilter:
    """Chooses the people to report.

    Attributes:
        min_score: People of less confidence are left out.
        max_people: At most so many, the most confident first.
        widen_boxes: Whether boxes grow to hold the body that the keypoints show. Boxes that the
            caller's own detector gave come back as they are.
        suppress_duplicates: Whether two poses that are alike are one person. One-stage networks
            have said so by their own rule (ADR 26).
    """

    min_score: float
    max_people: int
    widen_boxes: bool = True
    suppress_duplicates: bool = True

    def __call__(self, poses: Poses) -> Poses:
        """The people to report, the most confident first, each once.

        Args:
            poses: Candidates; `person_scores` is the confidence in each.
        """
        poses = poses[poses.person_scores >= max(self.min_score, _LEAST)]
        bodies = widened_boxes(poses.boxes_xyxy, poses.keypoints, poses.scores, poses.image_size)
        if self.suppress_duplicates:
            same = duplicates(
                poses.keypoints, poses.scores, bodies, np.array(poses.skeleton.oks_sigmas)
            )
            kept = suppress(same, poses.person_scores)[: self.max_people]
        else:
            kept = np.argsort(-poses.person_scores, kind="stable")[: self.max_people]
        if self.widen_boxes:
            poses = replace(poses, boxes_xyxy=bodies)
        return poses[kept]


def pose_scores(scores: Float32) -> list[float]:
    """For each of P people the mean of the `(P, K)` keypoint scores, weighted by themselves.

    Confident keypoints say more of a pose than absent ones.
    """
    # Plain floats: for the few people of a picture NumPy takes twice as long.
    return [sum(score * score for score in row) / max(sum(row), _LEAST) for row in scores.tolist()]


def person_confidence(box_scores: Float32, scores: Float32, min_pose_score: float) -> Float32:
    """Confidence in each person that a detector found, `(P,)` float32 in `[0, 1]`.

    The log-odds of box and pose add up, as those of independent observations do (ADR 22). A box of
    score 0.3 needs a pose score of `min_pose_score` for a confidence of 0.3; better boxes need
    less, worse ones more.

    Args:
        box_scores: `(P,)` float32 of the detector.
        scores: `(P, K)` float32 of the keypoints.
        min_pose_score: Of the pose network's manifest.
    """
    confidences = [
        _probability(_log_odds(pose) + said)
        for pose, said in zip(
            pose_scores(scores), _said_by_boxes(box_scores, min_pose_score), strict=True
        )
    ]
    return np.array(confidences, np.float32)


def least_pose_scores(box_scores: Float32, confidence: float, min_pose_score: float) -> Float32:
    """The pose scores `(P,)` from which on `person_confidence` is so much."""
    wanted = _log_odds(confidence)
    least = [_probability(wanted - said) for said in _said_by_boxes(box_scores, min_pose_score)]
    return np.array(least, np.float32)


def _said_by_boxes(box_scores: Float32, min_pose_score: float) -> list[float]:
    """What boxes add to the log-odds of their poses."""
    neutral = (1 - BOX_WEIGHT) * _log_odds(REFERENCE_BOX_SCORE) - _log_odds(min_pose_score)
    capped = [min(score, MAX_BOX_SCORE) for score in box_scores.tolist()]
    return [BOX_WEIGHT * _log_odds(score) + neutral for score in capped]


def with_odds_times(score: float, factor: float) -> float:
    """A confidence whose odds are so many times those of `score`."""
    return _probability(_log_odds(score) + math.log(factor))


def duplicates(
    keypoints: Float32, scores: Float32, bodies_xyxy: Float32, sigmas: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which of P people are the same person found twice, `(P, P)`.

    Args:
        keypoints: `(P, K, 2)` float32.
        scores: `(P, K)` float32; a keypoint counts by the product of its two scores.
        bodies_xyxy: `(P, 4)` float32 boxes that hold the bodies.
        sigmas: `(K,)` spread of each keypoint.
    """
    area = box_area(bodies_xyxy).astype(np.float64)
    scale = np.minimum(area[:, None], area[None])
    oks = pairwise_oks(keypoints, keypoints, scale, scores[:, None] * scores[None], sigmas)
    return (oks > DUPLICATE_OKS) | (box_iou(bodies_xyxy, bodies_xyxy) > DUPLICATE_IOU)


def widened_boxes(
    boxes_xyxy: Float32, keypoints: Float32, scores: Float32, image_size: Size
) -> Float32:
    """Boxes grown to hold the bodies in them, `(P, 4)` float32.

    A detector cuts off stretched arms and legs. People with too few confident keypoints keep
    their boxes.

    Args:
        boxes_xyxy: `(P, 4)` float32 edges in pixels.
        keypoints: `(P, K, 2)` float32 in pixels.
        scores: `(P, K)` float32.
        image_size: Boxes grow no further than its edges.
    """
    confident = scores >= CONFIDENT_KEYPOINT
    enough = confident.sum(axis=1) >= MIN_BODY_KEYPOINTS
    bodies = clip_boxes(body_boxes(keypoints, confident), image_size)
    grown = boxes_xyxy.copy()
    grown[enough, :2] = np.minimum(boxes_xyxy[enough, :2], bodies[enough, :2])
    grown[enough, 2:] = np.maximum(boxes_xyxy[enough, 2:], bodies[enough, 2:])
    return grown


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(inside / (1 - inside))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
