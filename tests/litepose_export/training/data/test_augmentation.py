"""Augmentation of single crops: affines, covers, pasted people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge import geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.skeletons import COCO_17, HALPE_26, HAND_21, MPII_16  # noqa: E402
from litepose_export.training.data import augmentation  # noqa: E402
from training_samples import PLAIN  # noqa: E402

SIZE = Size(96, 128)


def test_a_mirrored_crop_trades_left_for_right(people):
    rng = np.random.default_rng(0)
    seen = {
        augmentation.random_affine(rng, people.boxes_xyxy[0], Size(96, 128), PLAIN)[1]
        for _ in range(20)
    }
    assert seen == {True, False}


def test_a_stretched_person_is_as_large_as_before_and_stays_in_the_middle(people):
    rng = np.random.default_rng(0)
    box = people.boxes_xyxy[0].astype(np.float64)
    plain = geometry.crop_affine(box, SIZE, PLAIN.padding)
    area = abs(np.linalg.det(plain[:, :2]))
    middle = (box[None, :2] + box[None, 2:]) / 2
    longest = []
    for _ in range(40):
        to_input, _ = augmentation.random_affine(rng, box, SIZE, replace(PLAIN, stretch=0.3))
        sides = np.linalg.svd(to_input[:, :2], compute_uv=False)
        assert sides.prod() == pytest.approx(area)
        longest.append(sides[0] / np.sqrt(area))
        np.testing.assert_allclose(
            geometry.transform(to_input, middle), geometry.transform(plain, middle), atol=0.5
        )
    assert 1.2 < max(longest) <= np.exp(0.3) + 1e-9


def test_cutmix_covers_one_rectangle_with_a_piece_of_the_other_crop():
    rng = np.random.default_rng(2)
    crop = np.zeros((128, 96, 3), np.uint8)
    other = rng.integers(1, 256, crop.shape, np.uint8)
    augmentation.cover_rectangle(rng, crop, other)
    rows, columns = np.flatnonzero(crop.any(axis=(1, 2))), np.flatnonzero(crop.any(axis=(0, 2)))
    patch = crop[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert patch.all()
    assert patch.shape[0] <= 0.35 * 128
    assert patch.shape[1] <= 0.5 * 96
    rows, columns = (other[..., 0] == patch[0, 0, 0]).nonzero()
    assert any(
        np.array_equal(other[y : y + len(patch), x : x + patch.shape[1]], patch)
        for y, x in zip(rows, columns, strict=True)
    )


def test_pasting_keeps_the_masked_part():
    scene, crop = np.full((8, 6, 3), 10, np.uint8), np.full((8, 6, 3), 250, np.uint8)
    share = np.zeros((8, 6), np.uint8)
    share[2:4], share[4] = 255, 128
    mixed = augmentation.paste(scene, crop, share)
    assert set(np.unique(mixed[2:4])) == {250}
    assert set(np.unique(mixed[:2])) == {10}
    assert 125 < mixed[4, 0, 0] < 135


def test_bodies_have_halves_and_hands_have_none(people):
    assert augmentation.body_halves(COCO_17) == (tuple(range(11)), tuple(range(11, 17)))
    for skeleton in (HALPE_26, MPII_16):
        upper, lower = augmentation.body_halves(skeleton)
        names = skeleton.keypoint_names
        assert {names[i] for i in upper} >= {"left_elbow", "right_wrist"}
        assert {names[i] for i in lower} >= {"left_knee", "right_ankle"}
    assert augmentation.body_halves(HAND_21) is None


def test_without_halves_the_whole_box_is_cropped(people):
    rng = np.random.default_rng(0)
    options = replace(PLAIN, half_body=1.0)
    box, points = people.boxes_xyxy[0], people.keypoints[0]
    assert not np.allclose(augmentation.random_box(rng, box, points, options), box)
    assert np.allclose(augmentation.random_box(rng, box, points, options, None), box)
