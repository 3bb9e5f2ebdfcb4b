"""Thresholds of a network measured on labelled people, and how a manifest takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from litepose_edge.boxes import box_iou
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import ScoreCalibration, TopDownSpec
from litepose_edge.manifest.parts import MIN_KEYPOINT_SCORE
from litepose_edge.measure.accuracy.score_reliability import KeypointScores, fit_calibration
from litepose_edge.person_filter import pose_scores

# Fewer say too little: the thresholds stay those of a network that nothing is known of.
LEAST_PEOPLE, LEAST_BACKGROUND, LEAST_KEYPOINTS = 20, 20, 200
LOWEST, HIGHEST = 0.05, 0.95
# A box without people is tried so often at random places of a photograph.
PLACES = 10
# Of the people's boxes that a box without people keeps clear of.
MARGIN = 0.35
MOST_BACKGROUND = 400  # views without people


class Thresholds(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a network's scores mean, as measured.

    Attributes:
        min_pose_score: As in `TopDownSpec`.
        score_calibration: Makes probabilities of keypoint scores; None where too little is known.
        people: How many it was measured on.
        background: And how many views without people.
    """

    min_pose_score: float
    score_calibration: ScoreCalibration | None = None
    people: int = 0
    background: int = 0

    def applied(self, model: TopDownSpec) -> TopDownSpec:
        """A task with these thresholds; those for the flip test keep their odds to them."""
        factor = _odds(self.min_pose_score) / _odds(model.min_pose_score)
        visible = model.min_keypoint_score
        if self.score_calibration is not None:
            visible = 0.5
        elif model.score_calibration is not None:  # its threshold is of calibrated scores
            visible = MIN_KEYPOINT_SCORE
        return msgspec.structs.replace(
            model,
            score_calibration=self.score_calibration,
            min_pose_score=round(self.min_pose_score, 3),
            flip_test_below=_times(model.flip_test_below, factor),
            flip_test_below_detected=_times(model.flip_test_below_detected, factor),
            min_keypoint_score=visible,
        )

    def shifted(self, log_odds: float) -> Thresholds:
        """The same for a network whose keypoint scores have so much more log-odds."""
        line = self.score_calibration
        if line is not None:
            line = ScoreCalibration(scale=line.scale, offset=line.offset - line.scale * log_odds)
        least = _times(self.min_pose_score, math.exp(log_odds))
        return msgspec.structs.replace(self, min_pose_score=least, score_calibration=line)


@dataclass(frozen=True, slots=True)
class Observed:
    """Scores of a network, as decoded.

    Attributes:
        keypoints: Of labelled keypoints, and whether they are right.
        people: `(P, K)` float32 keypoint scores of labelled people's crops.
        background: `(B, K)` float32 of crops without people.
    """

    keypoints: KeypointScores
    people: Float32
    background: Float32


def choose_thresholds(observed: Observed) -> Thresholds | None:
    """Thresholds from what was seen; None where that are too few people.

    The calibration is the likeliest line through log-odds. `min_pose_score` parts people from
    background with the fewest errors, the share of people below it plus the share of background
    at or above it; amid the scores that do so equally well. Without background all but one person
    in twenty are above it.
    """
    if len(observed.people) < LEAST_PEOPLE:
        return None
    keypoints = observed.keypoints
    mixed = keypoints.right.any() and not keypoints.right.all()
    line = None
    if mixed and len(keypoints.scores) >= LEAST_KEYPOINTS:
        line = fit_calibration(keypoints)
    people, background = (
        np.array(pose_scores(scores)) for scores in (observed.people, observed.background)
    )
    if len(background) < LEAST_BACKGROUND:
        chosen = float(np.quantile(people, 0.05))
    else:
        chosen = _parting(people, background)
    return Thresholds(
        min_pose_score=min(max(chosen, LOWEST), HIGHEST),
        score_calibration=line,
        people=len(people),
        background=len(background),
    )


def background_boxes(
    rng: np.random.Generator, image_size: Size, people_xyxy: Float32, count: int
) -> Float32:
    """Up to `count` boxes of the sizes of an image's people where there are none, `(B, 4)`."""
    extent = np.array([image_size.width, image_size.height], np.float64)
    sides = people_xyxy[:, 2:] - people_xyxy[:, :2]
    grown = people_xyxy + np.tile(sides, 2) * np.repeat([-MARGIN, MARGIN], 2)
    known = sides if len(sides) else extent[None] / 3
    found: list[Float32] = []
    for _ in range(count * PLACES):
        size = np.minimum(known[rng.integers(len(known))], extent)
        corner = rng.uniform(0, np.maximum(extent - size, 1e-6))
        box = np.concatenate([corner, corner + size]).astype(np.float32)
        if len(found) < count and not (box_iou(box[None], grown) > 0).any():
            found.append(box)
    return np.array(found, np.float32).reshape(-1, 4)


def _parting(people: Float64, background: Float64) -> float:
    """The score with the fewest people below and the least background at or above it."""
    candidates = np.unique(np.concatenate([people, background, [0.0, 1.0]]))
    people, background = np.sort(people), np.sort(background)
    missed = np.searchsorted(people, candidates, side="left") / len(people)
    wrong = 1 - np.searchsorted(background, candidates, side="left") / len(background)
    errors = missed + wrong
    best = np.flatnonzero(errors == errors.min())
    # Any score from the one before the first of the best to the last of them does equally well.
    low = candidates[max(int(best[0]) - 1, 0)]
    return float((low + candidates[best[-1]]) / 2)


def _odds(score: float) -> float:
    inside = min(max(score, 1e-6), 1 - 1e-6)
    return inside / (1 - inside)


def _times(score: float, factor: float) -> float:
    """A score whose odds are so many times those of `score`; 0 stays 0."""
    odds = _odds(score) * factor
    return 0.0 if score == 0 else round(odds / (1 + odds), 3)
