"""People's outlines from their skeletons, and people put elsewhere."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.training.data import augmentation  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.data.person_masks import (  # noqa: E402
    Cutouts,
    cut_out,
    load_cutouts,
    outline,
    save_cutouts,
)

POSE = [(50, 22), (47, 19), (53, 19), (44, 20), (56, 20), (38, 40), (62, 40), (28, 60), (72, 60)]
POSE += [(24, 80), (76, 80), (42, 82), (58, 82), (40, 112), (60, 112), (38, 142), (62, 142)]
STILL = Augmentation(
    rotate=0, scale=(1, 1), shift=0, box_jitter=0, half_body=0, cutout=0, blur=0, colour=0, nobody=0
)


def mannequin():
    """A stout figure in red on a green ground, its outline and its joints."""
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


NOBODY_ELSE = np.zeros((0, 17, 3), np.float32)


def test_an_outline_is_that_of_the_person():
    picture, body, box, keypoints = mannequin()
    found = outline(picture, box, keypoints, NOBODY_ELSE)
    assert (found & body).sum() / (found | body).sum() > 0.9
    again = outline(picture, box, keypoints, NOBODY_ELSE)
    np.testing.assert_array_equal(found, again)


def test_without_enough_joints_there_is_no_outline():
    picture, _, box, keypoints = mannequin()
    keypoints[5:, 2] = 0
    assert outline(picture, box, keypoints, NOBODY_ELSE) is None


def test_an_outline_that_misses_the_joints_is_none():
    picture, _, box, keypoints = mannequin()
    astray = keypoints.copy()
    astray[:, 0] += 400  # labels that lie beside the picture
    assert outline(picture, box, astray, NOBODY_ELSE) is None


def test_another_persons_limbs_are_not_ones_own():
    picture, body, box, keypoints = mannequin()
    other = keypoints[None].copy()
    other[0, 11:, 2] = 0  # whose upper half it says this is
    found = outline(picture, box, keypoints, other)
    # Where both claim a limb the person drawn last keeps it; the rest stays outlined.
    assert found is None or (found & body)[100:].sum() > 0.5 * body[100:].sum()


def test_cutouts_survive_their_file(photo_dataset, tmp_path):
    people = load_people([read_coco(photo_dataset)])
    ticks = []
    cutouts = cut_out(people, lambda: ticks.append(1))
    assert len(ticks) == len(people)
    assert len(cutouts.maps) == len(people.images)
    for number, at in zip(cutouts.numbers, people.image_index, strict=True):
        assert (number == 0) or (cutouts.maps[at] == number).any()
    save_cutouts(cutouts, tmp_path / "c.npz")
    read = load_cutouts(tmp_path / "c.npz")
    np.testing.assert_array_equal(read.numbers, cutouts.numbers)
    for ours, theirs in zip(read.maps, cutouts.maps, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_laying_over_keeps_the_outlined_part():
    scene, crop = np.full((8, 6, 3), 10, np.uint8), np.full((8, 6, 3), 250, np.uint8)
    share = np.zeros((8, 6), np.uint8)
    share[2:4], share[4] = 255, 128
    mixed = augmentation.lay_over(scene, crop, share)
    assert set(np.unique(mixed[2:4])) == {250}
    assert set(np.unique(mixed[:2])) == {10}
    assert 125 < mixed[4, 0, 0] < 135


def test_a_sampler_puts_people_elsewhere_and_others_in_front(photo_dataset):
    people = load_people([read_coco(photo_dataset)])
    maps = tuple(np.zeros(image.shape[:2], np.uint8) for image in people.images)
    for person, number in enumerate(people.image_index):
        x1, y1, x2, y2 = people.boxes_xyxy[person].astype(int)
        maps[number][y1:y2, x1:x2] = 1
    white = tuple(np.where(m[..., None] == 1, 255, 60).astype(np.uint8).repeat(3, 2) for m in maps)
    bold = dataclasses.replace(people, images=white)
    cutouts = Cutouts(maps, np.ones(len(people), np.uint8))
    size = Size(96, 128)
    plain = CropSampler(bold, None, STILL, 1, cutouts).draw(8, size, (1.0,))
    elsewhere = dataclasses.replace(STILL, elsewhere=1.0)
    moved = CropSampler(bold, None, elsewhere, 1, cutouts).draw(8, size, (1.0,))
    centre = moved.crops[:, 40:88, 36:60].float()
    assert (centre == 255).float().mean() > 0.95  # the person is still there
    assert moved.crops.float().std() != plain.crops.float().std()
    hidden = dataclasses.replace(STILL, in_front=1.0)
    grey = tuple(np.full_like(image, 90) for image in white)
    front = CropSampler(dataclasses.replace(bold, images=grey), None, hidden, 1, cutouts).draw(
        8, size, (1.0,)
    )
    assert front.crops.max() <= 90
