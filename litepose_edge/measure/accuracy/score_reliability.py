"""Whether keypoint scores are probabilities: how often keypoints of a score are right.

A keypoint is right where its similarity to the label, COCO's `exp(-d^2 / (2 s^2 k^2))` with twice
the keypoint's sigma as k and half the box's area as s^2, is at least 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.decoding.score_calibration import log_odds
from litepose_edge.geometry import Float32, Float64
from litepose_edge.manifest.heads import ScoreCalibration

RIGHT = 0.5
BINS = 10
# Newton's steps of a fit of two numbers; five are enough from anywhere.
STEPS = 30
# A pull towards no change that only shows where right and wrong keypoints part completely.
PRIOR = 1e-3
MIN_SCALE = 1e-2


@dataclass(frozen=True, slots=True)
class KeypointScores:
    """Labelled keypoints with what is known of each.

    Attributes:
        scores: `(N,)` float32 of the network.
        right: `(N,)` bool.
    """

    scores: Float32
    right: NDArray[np.bool_]

    @property
    def error(self) -> float:
        """Expected calibration error, in ten bins (Naeini et al., AAAI 2015)."""
        if not len(self.scores):
            return float("nan")
        places = np.minimum((self.scores * BINS).astype(int), BINS - 1)
        gaps = np.bincount(places, self.scores - self.right, minlength=BINS)
        return float(np.abs(gaps).sum() / len(self.scores))


def keypoint_scores(
    keypoints: Float32,
    scores: Float32,
    labels: Float32,
    boxes_xyxy: Float32,
    sigmas: Sequence[float],
) -> KeypointScores:
    """Scores of the labelled keypoints of P people, one prediction for each person.

    Args:
        keypoints: `(P, K, 2)` float32 in pixels.
        scores: `(P, K)` float32.
        labels: `(P, K, 3)` float32 `(x, y, v)`, `v` 0 where not labelled.
        boxes_xyxy: `(P, 4)` float32, the labelled boxes.
        sigmas: `(K,)` spread of each keypoint.
    """
    labelled = labels[..., 2] > 0
    similarity = keypoint_similarity(keypoints, labels, boxes_xyxy, sigmas)
    return KeypointScores(scores[labelled], similarity[labelled] >= RIGHT)


def keypoint_similarity(
    keypoints: Float32, labels: Float32, boxes_xyxy: NDArray[Any], sigmas: Sequence[float]
) -> Float64:
    """Similarity in `[0, 1]` of each keypoint `(P, K)` to its label; OKS is the mean over K."""
    sides = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).astype(np.float64)
    scale = sides.prod(axis=1)[:, None] / 2
    distance = ((keypoints.astype(np.float64) - labels[..., :2]) ** 2).sum(axis=2)
    spread = (2 * np.array(sigmas)) ** 2
    similarity: Float64 = np.exp(-distance / (2 * scale * spread))
    return similarity


def fit_calibration(found: KeypointScores) -> ScoreCalibration:
    """The calibration under which the keypoints that are right are likeliest.

    Args:
        found: Keypoints that the network was not trained on, with scores as decoded.

    Raises:
        ValueError: All keypoints are right, or all are wrong.
    """
    if found.right.all() or not found.right.any():
        raise ValueError("a calibration needs keypoints that are right and keypoints that are not")
    odds = log_odds(found.scores)
    inputs = np.stack([odds, np.ones_like(odds)], axis=1)
    start = np.array([1.0, 0.0])
    line = start.copy()
    for _ in range(STEPS):
        expected = 1 / (1 + np.exp(-inputs @ line))
        slope = inputs.T @ (found.right - expected) - PRIOR * (line - start)
        curvature = (inputs * (expected * (1 - expected))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + PRIOR * np.eye(2), slope)
        # A long step may overshoot where all scores are near 0 or 1.
        line += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
    return ScoreCalibration(scale=max(float(line[0]), MIN_SCALE), offset=float(line[1]))
