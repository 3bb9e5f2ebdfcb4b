"""Scores against truth, on keypoints whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.analysis import calibration
from litepose_edge import COCO_17, Estimator
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset
from litepose_edge.measure.accuracy.score_reliability import KeypointScores
from litepose_edge.sources import read_image


def _evaluate(scores: Any, right: Any, outside: Any) -> calibration.Calibration:
    return calibration.evaluate(KeypointScores(scores.astype(np.float32), right), outside)


def test_perfect_scores_have_no_error_and_blind_ones_separate_nothing():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 200_000)
    honest = _evaluate(scores, rng.random(len(scores)) < scores, np.array([0.1, 0.5]))
    assert honest.error < 0.01
    assert honest.separation == pytest.approx(5 / 6, abs=0.01)  # of uniform, honest scores
    assert honest.outside_above == 0.5
    blind = _evaluate(scores, rng.random(len(scores)) < 0.5, np.zeros(1))
    assert blind.separation == pytest.approx(0.5, abs=0.01)
    assert blind.error == pytest.approx(0.25, abs=0.01)


def test_ties_count_half():
    right = np.array([True, False, True, False])
    assert _evaluate(np.full(4, 0.7), right, np.zeros(1)).separation == 0.5


def test_a_person_is_measured_whole_and_cut_under_the_hips(photographs):
    path = photographs / "camera.png"
    pixels = read_image(path)
    box = np.array([120, 60, 420, 511], np.float32)
    with Estimator(detector=None, threads=1) as estimator:
        poses = estimator.predict(pixels, boxes_xyxy=[box])
        labels = np.dstack([poses.keypoints, np.full((1, 17, 1), 2)]).astype(np.float32)
        image = AnnotatedImage(1, path, box[None], labels, np.zeros(1, np.bool_))
        dataset = CocoDataset(path, COCO_17.keypoint_names, (image,))
        found = calibration.measure(estimator, dataset)
    assert sum(b.count for b in found.bins) == 17
    assert all(b.right == 1 for b in found.bins)
    below = labels[0, list(calibration.BELOW), 1]
    cut = labels[0, list(calibration.HIPS), 1].max() + calibration.MARGIN * (box[3] - box[1])
    expected = int((below > int(cut) + calibration.MARGIN * (box[3] - box[1])).sum())
    assert found.outside_count == expected


def test_the_threshold_is_where_half_of_the_keypoints_are_right():
    rng = np.random.default_rng(1)
    scores = rng.uniform(0, 1, 50_000)
    for factor, half in ((1, 0.5), (2, 0.25)):
        right = rng.random(len(scores)) < factor * scores
        found = _evaluate(scores, right, np.zeros(1)).half_right
        assert found == pytest.approx(half, abs=0.02)
    ties = np.repeat([0.2, 0.6], 10)
    right = np.arange(20) % 10 < np.where(ties > 0.5, 8, 3)
    assert _evaluate(ties, right, np.zeros(1)).half_right == pytest.approx(0.6)
