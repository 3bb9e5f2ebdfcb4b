"""Masks of people from their skeletons."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.training.data.person_masks import (  # noqa: E402
    load_person_masks,
    save_person_masks,
    segment_people,
    segment_person,
)

POSE = [(50, 22), (47, 19), (53, 19), (44, 20), (56, 20), (38, 40), (62, 40), (28, 60), (72, 60)]
POSE += [(24, 80), (76, 80), (42, 82), (58, 82), (40, 112), (60, 112), (38, 142), (62, 142)]


def mannequin():
    """A stout figure in red on a green ground, its mask and its joints."""
    rng = np.random.default_rng(0)
    moved = np.array(POSE, np.float32) + np.array([30, 10], np.float32)
    keypoints = np.column_stack([moved, np.full(17, 2)])
    body = np.zeros((180, 160), np.uint8)
    at = keypoints[:, :2].astype(int)
    cv2.fillPoly(body, [at[[5, 6, 12, 11]]], 1)
    for a, b in ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16)):
        cv2.line(body, at[a].tolist(), at[b].tolist(), 1, 11)
    cv2.circle(body, (80, 32), 13, 1, -1)
    colours = np.where(body[..., None] > 0, [40, 30, 190], [60, 150, 50])
    picture = (colours + rng.normal(0, 12, (180, 160, 3))).clip(0, 255).astype(np.uint8)
    rows, columns = np.nonzero(body)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
    return picture, body > 0, box, keypoints.astype(np.float32)


NO_OTHERS = np.zeros((0, 17, 3), np.float32)


def test_a_mask_covers_the_person():
    picture, body, box, keypoints = mannequin()
    found = segment_person(picture, box, keypoints, NO_OTHERS)
    assert (found & body).sum() / (found | body).sum() > 0.9
    again = segment_person(picture, box, keypoints, NO_OTHERS)
    np.testing.assert_array_equal(found, again)


def test_without_enough_joints_there_is_no_mask():
    picture, _, box, keypoints = mannequin()
    keypoints[5:, 2] = 0
    assert segment_person(picture, box, keypoints, NO_OTHERS) is None


def test_a_mask_that_misses_the_joints_is_none():
    picture, _, box, keypoints = mannequin()
    astray = keypoints.copy()
    astray[:, 0] += 400  # labels that lie beside the picture
    assert segment_person(picture, box, astray, NO_OTHERS) is None


def test_another_persons_limbs_are_not_ones_own():
    picture, body, box, keypoints = mannequin()
    other = keypoints[None].copy()
    other[0, 11:, 2] = 0  # only its upper half is labelled
    found = segment_person(picture, box, keypoints, other)
    # Where both have a limb the person drawn last keeps it; the rest of the mask stays.
    assert found is None or (found & body)[100:].sum() > 0.5 * body[100:].sum()


def test_masks_survive_their_file(people, tmp_path):
    calls = []
    masks = segment_people(people, lambda: calls.append(1))
    assert len(calls) == len(people)
    assert len(masks.maps) == len(people.images)
    for number, at in zip(masks.person_ids, people.image_index, strict=True):
        assert (number == 0) or (masks.maps[at] == number).any()
    save_person_masks(masks, tmp_path / "c.npz", "hash")
    assert load_person_masks(tmp_path / "c.npz", "another hash") is None
    read = load_person_masks(tmp_path / "c.npz", "hash")
    np.testing.assert_array_equal(read.person_ids, masks.person_ids)
    for ours, theirs in zip(read.maps, masks.maps, strict=True):
        np.testing.assert_array_equal(ours, theirs)
