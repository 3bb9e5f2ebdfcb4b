"""Keypoint scores that can be read as probabilities.

A network's own scores rank keypoints well and say little about how often they are right. A line
through their log-odds mends that (Platt, "Probabilistic Outputs for Support Vector Machines",
1999): two numbers, fitted to labelled people, that keep the order of the scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32
from litepose_edge.manifest.heads import ScoreCalibration

# Scores of exactly 0 and 1 have no finite log-odds.
_LEAST = 1e-6


def log_odds(scores: Float32 | NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of scores in `[0, 1]`, any shape; those within 1e-6 of 0 and 1 are held there."""
    inside = np.clip(scores.astype(np.float64), _LEAST, 1 - _LEAST)
    return np.log(inside / (1 - inside))


def calibrate(scores: Float32, calibration: ScoreCalibration | None) -> Float32:
    """Calibrated scores, of the same shape and order; as they are without a calibration.

    Args:
        scores: float32 in `[0, 1]`.
        calibration: Of the model's manifest.
    """
    if calibration is None:
        return scores
    odds = calibration.scale * log_odds(scores) + calibration.offset
    calibrated: Float32 = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return calibrated
