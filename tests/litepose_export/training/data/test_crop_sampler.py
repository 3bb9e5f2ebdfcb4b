"""Augmented crops of people, and the labels that go with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge import COCO_17, geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.preprocess import warp  # noqa: E402
from litepose_export.training.core.pose_loss import make_targets  # noqa: E402
from litepose_export.training.core.target_options import TargetOptions  # noqa: E402
from litepose_export.training.data import augmentation  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.distillation_targets import DistillationTargets  # noqa: E402
from litepose_export.training.data.person_masks import PersonMasks  # noqa: E402
from training_samples import PLAIN  # noqa: E402


def test_a_plain_crop_puts_the_labels_where_the_runtime_would(people):
    sampler = CropSampler(people, None, PLAIN, seed=0)
    batch = sampler.draw(8, Size(96, 128), (1.0,))
    placed = 0
    for points in batch.points.numpy():
        for person in range(len(people)):
            to_input = geometry.crop_affine(people.boxes_xyxy[person], Size(96, 128), 1.25)
            truth = geometry.transform(to_input, people.keypoints[person, :, :2])
            mirrored = truth[list(COCO_17.flip_permutation)] * [-1, 1] + [95, 0]
            placed += any(np.allclose(points, t, atol=1e-3) for t in (truth, mirrored))
    assert placed == 8


def test_the_same_seed_draws_the_same_batches(people):
    first, second = (
        CropSampler(people, None, Augmentation(), seed=5).draw(6, Size(48, 64), (1.0,))
        for _ in range(2)
    )
    assert torch.equal(first.crops, second.crops)
    assert torch.equal(first.points, second.points)


def test_a_crop_of_the_background_shows_no_person_and_has_empty_targets(people):
    options = replace(PLAIN, background=1, colour=0)
    batch = CropSampler(people, None, options, seed=0).draw(40, Size(96, 128), (1.0,))
    empty = (batch.weights == 1).all(dim=1) & (batch.points == -1e4).all(dim=2).all(dim=1)
    assert empty.sum() >= 5
    assert make_targets(batch, TargetOptions())[empty].max() == 0
    # The drawn ground is darker than 60, the limbs are brighter.
    assert batch.crops[empty].max() <= 60


def test_an_unlabelled_joint_takes_the_pseudo_label_of_a_trusted_teacher_only(people):
    unlabelled = people.keypoints.copy()
    unlabelled[:, :2] = 0
    blank = replace(people, keypoints=unlabelled)
    trusted = np.zeros((len(people), 17), np.bool_)
    trusted[:, 0] = True
    targets = DistillationTargets(
        np.zeros((len(people), 17, 32, 24), np.uint8),
        np.concatenate([people.keypoints[..., :2], np.ones((len(people), 17, 1))], axis=2).astype(
            np.float32
        ),
        trusted,
    )
    batch = CropSampler(blank, targets, PLAIN, seed=0).draw(8, Size(96, 128), (1.0,))
    weights = batch.weights.numpy()
    assert (weights[:, 0] == 0.5).all()
    assert (weights[:, 1:3].min(axis=1) == 0).all()
    assert (weights[:, 5:] == 1).all()


SIZE = Size(96, 128)


def test_cutmix_shows_people_of_the_run_and_leaves_labels(people, monkeypatch):
    others = []

    def keep(rng, crop, other=None):
        others.append(other)

    monkeypatch.setattr(augmentation, "cover_rectangle", keep)
    options = replace(PLAIN, cutout=1, cutmix=1)
    covered = CropSampler(people, None, options, seed=4).draw(1, SIZE, (1.0,))
    bare = CropSampler(people, None, PLAIN, seed=4).draw(1, SIZE, (1.0,))
    assert (covered.points == bare.points).all()
    assert (covered.weights == bare.weights).all()
    (other,) = others
    crops = [
        warp(people.images[image], geometry.crop_affine(box, SIZE, PLAIN.padding), SIZE)
        for image, box in zip(people.image_index, people.boxes_xyxy, strict=True)
    ]
    differences = [
        np.abs(other.astype(int) - crop.astype(int)).mean()
        for person in crops
        for crop in (person, person[:, ::-1])
    ]
    assert min(differences) < 2


def test_without_cutmix_covers_are_plain(people, monkeypatch):
    others = []
    monkeypatch.setattr(augmentation, "cover_rectangle", lambda rng, crop, s=None: others.append(s))
    CropSampler(people, None, replace(PLAIN, cutout=1), seed=4).draw(3, SIZE, (1.0,))
    assert others == [None] * 3


def test_copy_paste_swaps_backgrounds_and_adds_occluders(people):
    maps = tuple(np.zeros(image.shape[:2], np.uint8) for image in people.images)
    for person, number in enumerate(people.image_index):
        x1, y1, x2, y2 = people.boxes_xyxy[person].astype(int)
        maps[number][y1:y2, x1:x2] = 1
    white = tuple(np.where(m[..., None] == 1, 255, 60).astype(np.uint8).repeat(3, 2) for m in maps)
    bold = replace(people, images=white)
    masks = PersonMasks(maps, np.ones(len(people), np.uint8))
    size = Size(96, 128)
    plain = CropSampler(bold, None, PLAIN, 1, masks).draw(8, size, (1.0,))
    swapped = replace(PLAIN, background_swap=1.0)
    moved = CropSampler(bold, None, swapped, 1, masks).draw(8, size, (1.0,))
    centre = moved.crops[:, 40:88, 36:60].float()
    assert (centre == 255).float().mean() > 0.95  # the person is still there
    assert moved.crops.float().std() != plain.crops.float().std()
    hidden = replace(PLAIN, occluder=1.0)
    grey = tuple(np.full_like(image, 90) for image in white)
    front = CropSampler(replace(bold, images=grey), None, hidden, 1, masks).draw(8, size, (1.0,))
    assert front.crops.max() <= 90
