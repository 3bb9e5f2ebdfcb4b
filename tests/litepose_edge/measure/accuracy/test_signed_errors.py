"""A common shift of all keypoints is reported in the crop's pixels, with how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge.measure.accuracy.signed_errors import signed_errors
from litepose_edge.skeletons import COCO_17

PEOPLE, KEYPOINTS = 200, len(COCO_17)


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 400, (PEOPLE, KEYPOINTS, 2))
    return np.concatenate([places, np.full((PEOPLE, KEYPOINTS, 1), 2)], axis=2).astype(np.float32)


@pytest.fixture
def boxes():
    # Padded by 1.25 they are 500 pixels high: a pixel of the crop is 500 / 256 of the photograph.
    return np.tile(np.array([0, 0, 300, 400], np.float32), (PEOPLE, 1))


def test_a_shift_is_found_in_pixels_of_the_crop(labels, boxes):
    found = labels[..., :2] + np.float32([2, -4])
    errors = signed_errors(found, labels, boxes)
    np.testing.assert_allclose(errors.mean, [2 * 256 / 500, -4 * 256 / 500], rtol=1e-4)
    np.testing.assert_allclose(errors.by_keypoint, np.tile(errors.mean, (KEYPOINTS, 1)), rtol=1e-4)
    assert errors.standard_error.max() < 1e-4
    assert (errors.counts == PEOPLE).all()


def test_what_is_unlabelled_or_far_away_does_not_count(labels, boxes):
    found = labels[..., :2].copy()
    found[:, 0] += 300
    found[:, 1] += 5
    labels[:, 1, 2] = 0
    errors = signed_errors(found, labels, boxes)
    assert errors.counts[:3].tolist() == [0, 0, PEOPLE]
    assert np.isnan(errors.by_keypoint[:2]).all()
    np.testing.assert_allclose(errors.mean, 0, atol=1e-6)


def test_the_standard_error_takes_a_persons_keypoints_as_one(labels, boxes):
    """Errors that a person's keypoints share are as many as there are people."""
    shifts = np.random.default_rng(1).normal(0, 4, (PEOPLE, 1, 2)).astype(np.float32)
    shared = signed_errors(labels[..., :2] + shifts, labels, boxes)
    expected = 4 * 256 / 500 / PEOPLE**0.5
    np.testing.assert_allclose(shared.standard_error, expected, rtol=0.2)
    np.testing.assert_allclose(shared.standard_error_by_keypoint, expected, rtol=0.2)
    apart = np.random.default_rng(2).normal(0, 4, (PEOPLE, KEYPOINTS, 2)).astype(np.float32)
    alone = signed_errors(labels[..., :2] + apart, labels, boxes)
    np.testing.assert_allclose(alone.standard_error, expected / KEYPOINTS**0.5, rtol=0.3)


def test_no_people_have_no_error(labels, boxes):
    errors = signed_errors(labels[:0, :, :2], labels[:0], boxes[:0])
    assert np.isnan(errors.mean).all()
    assert errors.counts.sum() == 0
    assert errors.to_dict(COCO_17.keypoint_names)["keypoints"]["nose"]["count"] == 0
