"""Thresholds from scores of people and of background."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge import COCO_17  # noqa: E402
from litepose_edge.decoding.score_calibration import calibrate  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import HeatmapSpec, ScoreCalibration, TopDownSpec  # noqa: E402
from litepose_edge.measure.accuracy.score_reliability import KeypointScores  # noqa: E402
from litepose_export.models.thresholds import (  # noqa: E402
    Observed,
    Thresholds,
    background_boxes,
    choose_thresholds,
)

NO_KEYPOINTS = KeypointScores(np.zeros(0, np.float32), np.zeros(0, bool))


def rows(score, count):
    return np.full((count, 17), score, np.float32)


def test_people_and_background_are_parted_in_the_middle_where_nothing_lies():
    found = choose_thresholds(Observed(NO_KEYPOINTS, rows(0.8, 30), rows(0.2, 30)))
    assert found.min_pose_score == pytest.approx(0.5, abs=1e-6)
    assert (found.people, found.background) == (30, 30)
    assert found.score_calibration is None


def test_where_both_overlap_the_fewest_are_on_the_wrong_side():
    people = np.concatenate([rows(0.9, 38), rows(0.3, 2)])
    background = np.concatenate([rows(0.1, 20), rows(0.6, 20)])
    found = choose_thresholds(Observed(NO_KEYPOINTS, people, background))
    assert 0.6 < found.min_pose_score < 0.9


def test_without_background_one_person_in_twenty_may_be_missed():
    people = np.linspace(0.4, 0.9, 101, dtype=np.float32)[:, None] * np.ones((1, 17), np.float32)
    found = choose_thresholds(Observed(NO_KEYPOINTS, people, rows(0, 0)))
    assert found.min_pose_score == pytest.approx(0.425, abs=1e-3)


def test_a_few_people_say_nothing():
    assert choose_thresholds(Observed(NO_KEYPOINTS, rows(0.8, 19), rows(0.2, 99))) is None


def test_reported_scores_are_calibrated_and_people_told_apart_by_decoded_ones():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.3, 4000).astype(np.float32)
    keypoints = KeypointScores(scores, rng.random(4000) < 3 * scores)
    found = choose_thresholds(Observed(keypoints, rows(0.25, 30), rows(0.02, 30)))
    line = found.score_calibration
    assert calibrate(np.float32([0.2]), line) == pytest.approx(0.6, abs=0.06)
    assert found.min_pose_score == pytest.approx(0.135, abs=1e-3)
    model = found.applied(task())
    assert model.score_calibration == line
    assert model.min_keypoint_score == 0.5


def task(**fields):
    heatmaps = HeatmapSpec(
        output="heatmaps", activation="sigmoid", alignment="centre", refinement="dark"
    )
    return TopDownSpec(padding=1.25, skeleton=COCO_17, heatmaps=heatmaps, **fields)


def test_without_a_calibration_none_of_its_thresholds_stays():
    line = ScoreCalibration(scale=2.0, offset=1.0)
    model = Thresholds(0.4).applied(task(score_calibration=line, min_keypoint_score=0.5))
    assert model.score_calibration is None
    assert model.min_keypoint_score == task().min_keypoint_score
    assert Thresholds(0.4).applied(task(min_keypoint_score=0.2)).min_keypoint_score == 0.2


def test_flip_test_thresholds_move_along_and_none_stays_none():
    moved = Thresholds(0.5).applied(task(min_pose_score=0.5, flip_test_below_detected=0.6))
    assert moved.flip_test_below_detected == 0.6
    moved = Thresholds(0.2).applied(task(min_pose_score=0.5, flip_test_below_detected=0.6))
    assert moved.flip_test_below_detected == pytest.approx(0.375 / 1.375, abs=1e-3)
    assert moved.flip_test_below == 0
    assert moved.min_pose_score == 0.2


def test_shifted_scores_keep_their_meaning():
    assert Thresholds(0.5).shifted(np.log(3)).min_pose_score == pytest.approx(0.75)
    keypoints = KeypointScores(
        np.float32([0.1, 0.2, 0.3, 0.4] * 100), np.array([False, True, False, True] * 100)
    )
    before = choose_thresholds(Observed(keypoints, rows(0.4, 30), rows(0.1, 30)))
    after = before.shifted(np.log(2))
    raised = np.float32([2 * 0.3 / (1 + 0.3)])  # odds times two
    assert calibrate(raised, after.score_calibration) == pytest.approx(
        calibrate(np.float32([0.3]), before.score_calibration), abs=1e-4
    )
    assert after.min_pose_score == pytest.approx(0.4, abs=1e-3)  # from 0.25


def test_boxes_of_background_keep_clear_of_people():
    people = np.float32([[10, 20, 60, 120]])
    boxes = background_boxes(np.random.default_rng(0), Size(640, 480), people, 5)
    assert boxes.shape == (5, 4)
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], [[50, 100]] * 5, atol=0.01)
    assert ((boxes[:, 0] >= 60) | (boxes[:, 1] >= 120)).all()
    everywhere = np.float32([[0, 0, 640, 480]])
    assert background_boxes(np.random.default_rng(0), Size(640, 480), everywhere, 5).shape == (0, 4)
    none = background_boxes(np.random.default_rng(0), Size(640, 480), np.zeros((0, 4)), 2)
    assert none.shape == (2, 4)


def test_thresholds_travel_as_json():
    thresholds = Thresholds(0.4, people=30)
    assert msgspec.json.decode(msgspec.json.encode(thresholds), type=Thresholds) == thresholds
