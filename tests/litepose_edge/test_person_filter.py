"""Who is reported: confidence, duplicates, widened boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.boxes import BODY_MARGINS
from litepose_edge.person_filter import (
    MAX_BOX_SCORE,
    PersonFilter,
    duplicates,
    least_pose_scores,
    person_confidence,
    pose_scores,
    widened_boxes,
    with_odds_times,
)

SIGMAS = np.array(COCO_17.oks_sigmas)
SIZE = Size(640, 480)


def confidence(box: float, pose: float, min_pose_score: float = 0.5) -> float:
    """Of a person whose keypoints all have one score, which then is the pose score."""
    scores = np.full((1, 17), pose, np.float32)
    return person_confidence(np.array([box], np.float32), scores, min_pose_score).item()


def test_confident_keypoints_count_most_in_a_pose_score():
    scores = np.zeros((3, 17), np.float32)
    scores[0, :3] = [0.6, 0.8, 0.2]
    scores[1] = 0.5
    np.testing.assert_allclose(pose_scores(scores), [1.04 / 1.6, 0.5, 0], rtol=1e-6)


@pytest.mark.parametrize("min_pose_score", [0.3, 0.5, 0.7])
def test_a_box_of_the_default_threshold_needs_the_manifests_pose_score(min_pose_score):
    assert confidence(0.3, min_pose_score, min_pose_score) == pytest.approx(0.3, abs=1e-5)
    assert confidence(0.3, min_pose_score + 0.02, min_pose_score) > 0.3
    assert confidence(0.3, min_pose_score - 0.02, min_pose_score) < 0.3
    assert confidence(0.4, min_pose_score, min_pose_score) > 0.3


@given(st.floats(0.01, 0.6), st.floats(0.02, 0.9), st.floats(0.1, 0.9))
@settings(max_examples=60, deadline=None)
def test_confidence_grows_with_box_and_keypoints_and_is_a_probability(box, pose, needed):
    here = confidence(box, pose, needed)
    assert 0 <= here <= 1
    assert confidence(box, pose + 0.05, needed) > here
    assert confidence(min(box + 0.05, 1), pose, needed) >= here


def test_keypoints_overrule_any_box():
    assert confidence(1.0, 0.1) == confidence(MAX_BOX_SCORE, 0.1) < 0.15
    assert confidence(1.0, 0.0) < 1e-4
    assert confidence(0.1, 0.99) > 0.9


def test_odds_are_multiplied():
    assert with_odds_times(0.5, 3) == pytest.approx(0.75)
    assert with_odds_times(with_odds_times(0.3, 0.87), 1 / 0.87) == pytest.approx(0.3)
    assert 0 < with_odds_times(0.0, 1.45) < 1e-4 < 0.999 < with_odds_times(1.0, 1.45) < 1


def people(*places: float) -> Poses:
    """Standing figures at such x."""
    shape = np.column_stack(
        [np.random.default_rng(5).uniform(-30, 30, 17), np.linspace(-80, 80, 17)]
    )
    keypoints = np.array([shape + np.array([x, 200]) for x in places], np.float32).reshape(
        -1, 17, 2
    )
    boxes = np.array([[x - 40, 100, x + 40, 300] for x in places], np.float32).reshape(-1, 4)
    return Poses(
        keypoints=keypoints,
        scores=np.full((len(places), 17), 0.8, np.float32),
        boxes_xyxy=boxes,
        person_scores=np.linspace(0.9, 0.5, len(places)).astype(np.float32),
        skeleton=COCO_17,
        image_size=SIZE,
    )


def test_a_person_found_twice_is_reported_once_by_the_better_pose():
    poses = people(200, 206, 500)
    kept = PersonFilter(0.3, 20)(poses)
    assert kept.person_scores.tolist() == poses.person_scores[[0, 2]].tolist()
    same = duplicates(poses.keypoints, poses.scores, poses.boxes_xyxy, SIGMAS)
    expected = [[True, True, False], [True, True, False], [False, False, True]]
    np.testing.assert_array_equal(same, expected)


def test_bodies_that_fill_one_box_are_one_person_whatever_their_keypoints():
    keypoints = np.stack([people(200).keypoints[0], people(200).keypoints[0][::-1]])
    scores = np.full((2, 17), 0.8, np.float32)
    boxes = np.array([[160, 100, 240, 300], [165, 105, 245, 300]], np.float32)
    assert duplicates(keypoints, scores, boxes, SIGMAS).all()
    apart = boxes + np.array([[0], [50]], np.float32)
    assert not duplicates(keypoints, scores, apart, SIGMAS)[0, 1]


def test_the_least_score_and_the_cap_leave_the_best():
    poses = people(100, 250, 400, 550)
    assert len(PersonFilter(0.6, 20)(poses)) == 3
    assert len(PersonFilter(0.6, 2)(poses)) == 2
    assert len(PersonFilter(0.95, 2)(poses)) == 0
    shuffled = poses[np.array([2, 0, 3, 1])]
    ordered = PersonFilter(0.3, 20)(shuffled)
    np.testing.assert_array_equal(ordered.person_scores, poses.person_scores)


def test_an_empty_image_stays_empty():
    assert len(PersonFilter(0.0, 20)(people())) == 0


def test_boxes_of_the_callers_own_detector_come_back_as_they_are():
    poses = people(200)
    poses.boxes_xyxy[0] = [190, 150, 210, 250]
    np.testing.assert_array_equal(PersonFilter(0.3, 20, False)(poses).boxes_xyxy, poses.boxes_xyxy)
    assert PersonFilter(0.3, 20)(poses).boxes_xyxy[0, 0] < 190


def test_boxes_are_widened_to_hold_the_body_and_no_further_than_the_image():
    boxes = np.array([[10, 10, 30, 50]] * 3, np.float32)
    keypoints = np.full((3, 5, 2), 20, np.float32)
    keypoints[:, 0], keypoints[:, 1], keypoints[:, 2] = (15, 20), (40, 70), (15, 95)
    scores = np.full((3, 5), 0.9, np.float32)
    scores[1, 2] = 0.1  # not confident: it does not count
    scores[2, 2:] = 0.1  # two are too few
    left, _, right, bottom = BODY_MARGINS
    expected = [
        [min(10, 15 - left * 75), 10, 40 + right * 75, 99.5],
        [min(10, 15 - left * 50), 10, 40 + right * 50, 70 + bottom * 50],
        [10, 10, 30, 50],
    ]
    wider = widened_boxes(boxes, keypoints, scores, Size(200, 100))
    np.testing.assert_allclose(wider, expected, rtol=1e-6)
    assert wider.dtype == np.float32
    empty = widened_boxes(boxes[:0], keypoints[:0], scores[:0], Size(200, 100))
    assert empty.shape == (0, 4)


@given(hnp.arrays(np.float32, (4, 4), elements=st.floats(0, 90, width=32)), st.integers(0, 9))
def test_widened_boxes_hold_the_boxes_they_come_from(corners, seed):
    boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(-50, 150, (4, 17, 2)).astype(np.float32)
    scores = rng.uniform(0, 1, (4, 17)).astype(np.float32)
    wider = widened_boxes(boxes, keypoints, scores, Size(180, 180))
    assert (wider[:, :2] <= boxes[:, :2]).all()
    assert (wider[:, 2:] >= boxes[:, 2:]).all()


@given(st.floats(0.01, 0.99), st.floats(0.02, 0.98), st.floats(0.1, 0.9))
def test_the_least_pose_score_gives_the_confidence_it_is_for(box, confidence, min_pose_score):
    boxes = np.array([box], np.float32)
    least = least_pose_scores(boxes, confidence, min_pose_score)
    poses = np.repeat(least[:, None], 17, axis=1)  # their weighted mean is each of them
    found = person_confidence(boxes, poses, min_pose_score)
    assume(1e-4 < least[0] < 1 - 1e-4)
    assert found[0] == pytest.approx(confidence, rel=1e-3, abs=1e-3)
