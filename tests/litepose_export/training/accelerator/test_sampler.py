"""Batches made on the device: crops, targets, teacher's maps, copy-paste."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export


import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.training.accelerator.photograph_store import PhotographStore  # noqa: E402
from litepose_export.training.accelerator.placements import PlacementDataset  # noqa: E402
from litepose_export.training.accelerator.sampler import AcceleratorSampler, SamplerOptions  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.data.person_masks import PersonMasks  # noqa: E402
from training_samples import PLAIN  # noqa: E402

SMALL, LARGE = Size(192, 256), Size(256, 320)


class WhiteMeansAllJoints(nn.Module):
    """A teacher whose maps of all joints are the white of the picture."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        white = torch.nn.functional.avg_pool2d((images.amin(1, keepdim=True) > 2).float(), 4)
        return white.expand(-1, 17, -1, -1)


def with_white_noses(people):
    """All people black but for a white disc on the nose, one person a photograph."""
    images = []
    for person, number in enumerate(people.image_index):
        image = np.zeros_like(people.images[number])
        x, y = people.keypoints[person, 0, :2]
        height = people.boxes_xyxy[person, 3] - people.boxes_xyxy[person, 1]
        cv2.circle(image, (round(x), round(y)), round(0.06 * height), (255, 255, 255), -1)
        images.append(image)
    return dataclasses.replace(people, images=tuple(images), image_index=np.arange(len(people)))


def sampler(people, teacher=None, augmentation=PLAIN, masks=None, **options):
    options = {"sizes": (SMALL, LARGE), "repeats": 1, "teacher_alignment": "centre"} | options
    return AcceleratorSampler(
        people, teacher, SamplerOptions(augmentation=augmentation, **options), masks
    )


def pixels(images):
    """RGB bytes of normalised images, as they were."""
    mean, std = (torch.tensor(t)[:, None, None] for t in (IMAGENET_MEAN, IMAGENET_STD))
    return (images * std + mean).permute(0, 2, 3, 1).numpy()


def test_targets_of_every_size_lie_where_the_labels_are(people):
    source = sampler(people)
    placed = next(iter(PlacementDataset(people, PLAIN, 1, 6, SMALL, (1.0,))))
    (batch,) = source.draw(placed)
    assert [tuple(t.shape) for t in batch.images] == [(6, 3, 256, 192), (6, 3, 320, 256)]
    assert batch.weights.min() == 1
    for size, targets in zip((SMALL, LARGE), batch.targets, strict=True):
        scale = 320 / 256 if size == LARGE else 1.0
        # The larger crop shows more on both sides.
        shift = (256 - 240) / 2 if size == LARGE else 0.0
        peaks = targets.flatten(2).argmax(2)
        cells = torch.stack([peaks % (size.width // 8), peaks // (size.width // 8)], -1)
        expected = ((placed.points + 0.5) * scale + torch.tensor([shift, 0.0])) / 8 - 0.5
        assert (cells - expected).abs().max() <= 0.5 + 1e-3
    small, large = (pixels(t) for t in batch.images)
    middle = np.stack([cv2.resize(p[:, 8:-8], (192, 256)) for p in large])
    assert np.abs(middle - small).mean() < 6  # the same views, resampled


def test_the_teacher_fills_in_what_is_not_labelled(people):
    unseen = people.keypoints.copy()
    unseen[:, 1:5, 2] = 0
    noses = with_white_noses(dataclasses.replace(people, keypoints=unseen))
    turned = dataclasses.replace(PLAIN, rotate=1.0, scale=(0.8, 1.2))
    source = sampler(noses, WhiteMeansAllJoints(), turned, teacher_share=0.4)
    placed = next(iter(PlacementDataset(noses, turned, 1, 8, SMALL, (1.0,))))
    assert placed.mirrored.unique().tolist() == [False, True]
    (batch,) = source.draw(placed)
    for size, targets in zip((SMALL, LARGE), batch.targets, strict=True):
        scale, margin = (1.25, 8.0) if size == LARGE else (1.0, 0.0)
        # Of the noses, where the teacher puts all joints.
        expected = ((placed.points[:, 0] + 0.5) * scale + torch.tensor([margin, 0.0])) / 8 - 0.5
        for joint in (1, 4):
            assert not placed.labelled[:, joint].any()
            seen = targets[:, joint]
            mass = seen.sum((1, 2))
            rows, columns = (torch.arange(n) for n in seen.shape[1:])
            x = (seen.sum(1) * columns).sum(1) / mass
            y = (seen.sum(2) * rows).sum(1) / mass
            assert (torch.stack([x, y], 1) - expected).abs().max() < 0.35
            assert seen.amax((1, 2)).min() > 0.6
        shoulders = targets[:, 5:7]
        there = shoulders.amax((2, 3))[placed.labelled[:, 5:7]]
        assert there.min() > 0.4
        assert there.max() < 0.8  # the labels' share; the teacher puts them on the nose
    assert set(batch.weights.unique().tolist()) == {0.5, 1.0}


def test_unlabelled_people_come_along_as_a_source_of_their_own(photo_dataset, tmp_path):
    document = json.loads(photo_dataset.read_text())
    for person in document["annotations"][:3]:
        person["keypoints"], person["num_keypoints"] = [0] * 51, 0
    path = tmp_path / "some.json"
    path.write_text(json.dumps(document))
    datasets = [dataclasses.replace(read_coco(path, photo_dataset.parent / "images"))]
    assert len(load_people(datasets)) == 5
    everyone = load_people(datasets, unlabelled_side_px=24)
    np.testing.assert_array_equal(np.bincount(everyone.source), [5, 3])
    assert len(load_people(datasets, unlabelled_side_px=1e4)) == 5
    source = sampler(everyone, WhiteMeansAllJoints())
    placed = next(iter(PlacementDataset(everyone, PLAIN, 1, 8, SMALL, (0.0, 1.0))))
    (batch,) = source.draw(placed)
    assert batch.weights.max() == 0.5


def test_targets_of_a_background_crop_are_empty_whatever_the_teacher_says(people):
    background = dataclasses.replace(PLAIN, background=1.0)
    # People in a corner of a large photograph leave room for views without them.
    images = tuple(
        cv2.copyMakeBorder(i, 0, 900, 0, 900, cv2.BORDER_CONSTANT) for i in people.images
    )
    roomy = dataclasses.replace(people, images=images)
    placed = next(iter(PlacementDataset(roomy, background, 1, 8, SMALL, (1.0,))))
    assert placed.background.any()
    (batch,) = sampler(roomy, WhiteMeansAllJoints(), background).draw(placed)
    for targets in batch.targets:
        assert targets[placed.background].max() == 0
    assert batch.weights[placed.background].min() == 1


def test_a_hard_negative_is_cut_from_its_own_photograph(people):
    boxes = [np.zeros((0, 4), np.float32) for _ in people.images]
    boxes[-1] = np.array([[5, 5, 25, 45]], np.float32)
    hard = dataclasses.replace(people, negatives_xyxy=tuple(boxes))
    options = dataclasses.replace(PLAIN, background=1)
    batch = next(iter(PlacementDataset(hard, options, 0, 40, SMALL, (1.0,))))
    elsewhere = people.image_index[batch.people.numpy()] != len(people.images) - 1
    moved = (batch.photographs.numpy() == len(people.images) - 1) & elsewhere
    assert moved.sum() >= 10
    assert batch.background.numpy()[moved].all()


def test_a_person_is_pasted_into_another_photograph(people):
    maps = tuple(np.zeros(image.shape[:2], np.uint8) for image in people.images)
    for person, number in enumerate(people.image_index):
        x1, y1, x2, y2 = people.boxes_xyxy[person].astype(int)
        maps[number][y1:y2, x1:x2] = 7
    # All people are white on black in place of the photographs, scenes are grey.
    images = tuple(np.where(m[..., None] == 7, 255, 60).astype(np.uint8).repeat(3, 2) for m in maps)
    masks = PersonMasks(maps, np.full(len(people), 7, np.uint8))
    bold = dataclasses.replace(people, images=images)
    options = dataclasses.replace(PLAIN, background_swap=1.0)
    placed = next(iter(PlacementDataset(bold, options, 1, 6, SMALL, (1.0,), masks.person_ids)))
    assert len(placed.scenes) == 6
    (batch,) = sampler(bold, None, options, masks).draw(placed)
    shown = pixels(batch.images[0])
    alone = PhotographStore(images, "cpu", maps).sample(
        placed.photographs, placed.to_image, SMALL, placed.person_ids
    )
    inside = alone[:, 3].numpy() == 1
    assert inside.mean() > 0.2
    np.testing.assert_allclose(shown[inside], 255, atol=0.5)
    scene = PhotographStore(images, "cpu").sample(placed.scenes, placed.to_scene, SMALL)
    outside = alone[:, 3].numpy() == 0
    expected = scene.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(shown[outside], expected[outside], atol=0.5)


def test_repeats_share_their_targets_and_not_their_pixels(people):
    colourful = dataclasses.replace(PLAIN, colour=1.0)
    source = sampler(people, None, colourful, repeats=2)
    batches = source.batches(4, (1.0,))
    first, second = next(batches), next(batches)
    assert first.targets[0] is second.targets[0]
    assert not torch.equal(first.images[0], second.images[0])
