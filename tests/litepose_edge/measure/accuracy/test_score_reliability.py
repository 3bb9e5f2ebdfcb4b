"""Scores that are probabilities, fits that make them so, and keypoints that are right."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge import COCO_17
from litepose_edge.decoding.score_calibration import calibrate, log_odds
from litepose_edge.manifest import ScoreCalibration
from litepose_edge.measure.accuracy.score_reliability import (
    KeypointScores,
    fit_calibration,
    keypoint_scores,
    keypoint_similarity,
)


def _drawn(calibration: ScoreCalibration, seed: int = 0, count: int = 20_000) -> KeypointScores:
    """Keypoints whose part that is right follows a calibration of their scores."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.01, 0.99, count).astype(np.float32)
    return KeypointScores(scores, rng.random(count) < calibrate(scores, calibration))


@pytest.mark.parametrize(
    "truth", [ScoreCalibration(scale=1.0), ScoreCalibration(scale=1.6, offset=0.9)]
)
def test_a_fit_finds_the_line_that_made_the_keypoints_right(truth: ScoreCalibration) -> None:
    found = fit_calibration(_drawn(truth))
    assert found.scale == pytest.approx(truth.scale, abs=0.06)
    assert found.offset == pytest.approx(truth.offset, abs=0.06)


def test_calibrated_scores_are_right_as_often_as_they_say() -> None:
    truth = ScoreCalibration(scale=0.7, offset=1.2)
    drawn = _drawn(truth)
    other = _drawn(truth, seed=1)
    calibrated = KeypointScores(calibrate(other.scores, fit_calibration(drawn)), other.right)
    assert other.error > 0.15
    assert calibrated.error < 0.02
    near = np.abs(calibrated.scores - 0.6) < 0.05
    assert calibrated.right[near].mean() == pytest.approx(0.6, abs=0.03)


def test_the_error_is_the_mean_distance_of_score_and_part_that_is_right() -> None:
    # Four of .25, of which one is right; six of .85, of which three are right.
    scores = np.array([0.25] * 4 + [0.85] * 6, np.float32)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0, 0, 0], bool)
    assert KeypointScores(scores, right).error == pytest.approx(0.6 * 0.35, abs=1e-6)


@pytest.mark.parametrize("right", [True, False])
def test_a_fit_without_both_kinds_is_refused(right: bool) -> None:
    scores = np.array([0.2, 0.8], np.float32)
    with pytest.raises(ValueError, match="right and keypoints that are not"):
        fit_calibration(KeypointScores(scores, np.array([right, right])))


def test_a_fit_of_parted_keypoints_stays_finite() -> None:
    scores = np.array([0.0, 0.1, 0.9, 1.0], np.float32)
    found = fit_calibration(KeypointScores(scores, scores > 0.5))
    assert np.isfinite([found.scale, found.offset]).all()
    assert found.scale > 1


def test_only_labelled_keypoints_count_and_a_near_one_is_right() -> None:
    labels = np.zeros((1, 17, 3), np.float32)
    labels[0, :2] = (50, 50, 2)
    keypoints = np.full((1, 17, 2), 50, np.float32)
    keypoints[0, 1] += 30
    scores = np.linspace(0.1, 0.9, 17, dtype=np.float32)[None]
    boxes = np.array([[0, 0, 100, 200]], np.float32)
    found = keypoint_scores(keypoints, scores, labels, boxes, COCO_17.oks_sigmas)
    assert found.scores.tolist() == scores[0, :2].tolist()
    assert found.right.tolist() == [True, False]


def test_calibration_keeps_order_shape_and_bounds() -> None:
    scores = np.array([[0.0, 1e-7, 0.3, 0.5], [0.7, 0.99, 1.0, 1.0]], np.float32)
    calibrated = calibrate(scores, ScoreCalibration(scale=2.0, offset=1.0))
    assert calibrated.dtype == np.float32
    assert calibrated.shape == scores.shape
    assert (np.diff(calibrated.ravel()) >= 0).all()
    assert calibrated.min() >= 0
    assert calibrated.max() <= 1
    assert calibrated[0, 3] == pytest.approx(1 / (1 + np.exp(-1)))


def test_without_a_calibration_scores_stay_the_same_array() -> None:
    scores = np.array([0.2], np.float32)
    assert calibrate(scores, None) is scores


def test_log_odds_of_a_half_are_zero() -> None:
    assert log_odds(np.array([0.5], np.float32))[0] == pytest.approx(0)


def test_similarity_is_half_at_the_distance_where_it_should_be():
    boxes = np.array([[0.0, 0.0, 100.0, 200.0]])
    sigma = np.array(COCO_17.oks_sigmas)
    half = np.sqrt(2 * 10_000 * np.log(2)) * 2 * sigma
    labels = np.zeros((1, 17, 3), np.float32)
    found = np.stack([half, np.zeros(17)], axis=1)[None].astype(np.float32)
    np.testing.assert_allclose(
        keypoint_similarity(found, labels, boxes, COCO_17.oks_sigmas), 0.5, atol=1e-5
    )
