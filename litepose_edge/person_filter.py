"""Who is reported as a person: one confidence from box and keypoints."""

from __future__ import annotations

import numpy as np

from litepose_edge.geometry import Float32

# As float32, which the scores are: one of exactly 0.2 does not count.
COUNTED_SCORE = float(np.float32(0.2))
COUNTED_JOINTS = 5
SUREST_BOX = 0.65
# Power of the box score in a person's.
BOX_SHARE = 0.25


def person_scores(box_scores: Float32, scores: Float32) -> Float32:
    """`(P,)` pose scores, times the box's to the power 0.25: the box says little.

    Ranked so, the people that our detector finds on dev have AP .328; by the product of box score
    and mean of the keypoint scores above 0.2 they had .310.
    """
    poses = pose_scores(scores)
    ranks = [box**BOX_SHARE * pose for box, pose in zip(box_scores.tolist(), poses, strict=True)]
    return np.array(ranks, np.float32)


def pose_scores(scores: Float32) -> list[float]:
    """For each of P people the mean of the `(P, K)` keypoint scores, weighted by themselves.

    Sure keypoints say more of a pose than absent ones. 0 for people without a keypoint above 0.2.
    """
    # Plain floats, here and in `belief`: for the few people of a picture NumPy takes twice as long.
    return [
        sum(score * score for score in row) / sum(row) if max(row) > COUNTED_SCORE else 0.0
        for row in scores.tolist()
    ]


def belief(box_scores: Float32, scores: Float32) -> Float32:
    """`(P,)` how far boxes and keypoints together speak for a person, in `[0, 1]`.

    Detector and pose network are taken for two witnesses: the odds that the box score and the mean
    score of the best keypoints stand for are multiplied. A detector alone takes gravel and rockets
    for people. A box counts for no more than `SUREST_BOX`: the keypoints can overrule any, as where
    somebody who is followed has left.
    """
    best = [sorted(row)[-COUNTED_JOINTS:] for row in scores.tolist()]
    means = [sum(joints) / len(joints) for joints in best]
    believed = [_together(b, m) for b, m in zip(box_scores.tolist(), means, strict=True)]
    return np.array(believed, np.float32)


def least_belief(min_score: float, min_pose_score: float) -> float:
    """What a person needs: a box of `min_score` needs keypoints of mean `min_pose_score`."""
    return _together(min_score, min_pose_score)


def _together(box: float, mean: float) -> float:
    box = min(box, SUREST_BOX)
    there, nobody = box * mean, (1 - box) * (1 - mean)
    return there / (there + nobody) if there else 0.0
