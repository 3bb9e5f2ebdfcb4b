"""How far training crops stray: stretched people, strangers in front of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge import geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.preprocess import warp  # noqa: E402
from litepose_export.models import networks  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.data import augmentation  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.runs import pose  # noqa: E402
from litepose_export.training.runs.runner import RunOptions  # noqa: E402

STILL = Augmentation(
    rotate=0,
    scale=(1, 1),
    shift=0,
    box_jitter=0,
    half_body=0,
    cutout=0,
    blur=0,
    colour=0,
    nobody=0,
)
SIZE = Size(96, 128)


@pytest.fixture(scope="module")
def people(photo_dataset):
    return load_people([read_coco(photo_dataset)])


def test_a_stretched_person_is_as_large_as_before_and_stays_in_the_middle(people):
    rng = np.random.default_rng(0)
    box = people.boxes_xyxy[0].astype(np.float64)
    plain = geometry.crop_affine(box, SIZE, STILL.padding)
    area = abs(np.linalg.det(plain[:, :2]))
    middle = (box[None, :2] + box[None, 2:]) / 2
    longest = []
    for _ in range(40):
        to_input, _ = augmentation.random_affine(rng, box, SIZE, replace(STILL, stretch=0.3))
        sides = np.linalg.svd(to_input[:, :2], compute_uv=False)
        assert sides.prod() == pytest.approx(area)
        longest.append(sides[0] / np.sqrt(area))
        np.testing.assert_allclose(
            geometry.transform(to_input, middle), geometry.transform(plain, middle), atol=0.5
        )
    assert 1.2 < max(longest) <= np.exp(0.3) + 1e-9


def test_a_stranger_covers_one_rectangle_with_a_piece_of_their_own():
    rng = np.random.default_rng(2)
    crop = np.zeros((128, 96, 3), np.uint8)
    stranger = rng.integers(1, 256, crop.shape, np.uint8)
    augmentation.hide_part(rng, crop, stranger)
    rows, columns = np.flatnonzero(crop.any(axis=(1, 2))), np.flatnonzero(crop.any(axis=(0, 2)))
    patch = crop[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert patch.all()
    assert patch.shape[0] <= 0.35 * 128
    assert patch.shape[1] <= 0.5 * 96
    rows, columns = (stranger[..., 0] == patch[0, 0, 0]).nonzero()
    assert any(
        np.array_equal(stranger[y : y + len(patch), x : x + patch.shape[1]], patch)
        for y, x in zip(rows, columns, strict=True)
    )


def test_strangers_are_people_of_the_run_and_labels_stay(people, monkeypatch):
    strangers = []

    def hide(rng, crop, stranger=None):
        strangers.append(stranger)

    monkeypatch.setattr(augmentation, "hide_part", hide)
    options = replace(STILL, cutout=1, stranger=1)
    covered = CropSampler(people, None, options, seed=4).draw(1, SIZE, (1.0,))
    bare = CropSampler(people, None, STILL, seed=4).draw(1, SIZE, (1.0,))
    assert (covered.points == bare.points).all()
    assert (covered.weights == bare.weights).all()
    (stranger,) = strangers
    everybody = [
        warp(people.images[image], geometry.crop_affine(box, SIZE, STILL.padding), SIZE)
        for image, box in zip(people.image_index, people.boxes_xyxy, strict=True)
    ]
    differences = [
        np.abs(stranger.astype(int) - crop.astype(int)).mean()
        for person in everybody
        for crop in (person, person[:, ::-1])
    ]
    assert min(differences) < 2


def test_without_strangers_covers_are_plain(people, monkeypatch):
    strangers = []
    monkeypatch.setattr(augmentation, "hide_part", lambda rng, crop, s=None: strangers.append(s))
    CropSampler(people, None, replace(STILL, cutout=1), seed=4).draw(3, SIZE, (1.0,))
    assert strangers == [None] * 3


@pytest.mark.parametrize("size", ["s", "m"])
def test_a_refining_run_is_gentler_slower_and_ends_on_the_first_file(size, tmp_path):
    first = RunOptions(data=(), dev=None, folder=tmp_path, budget=Budget(steps=1))
    schedule, crops = pose._settings(size, first)
    refining, gentler = pose._settings(size, replace(first, refine=True))
    assert gentler.cutout < crops.cutout
    assert gentler.stretch <= crops.stretch
    assert gentler.stranger <= crops.stranger
    assert refining.learning_rate < schedule.learning_rate
    assert refining.first_source_only_after < schedule.first_source_only_after
    assert refining.shares(0.99, 2) == (1.0, 0.0)
    assert refining.phases[-1].input_size == networks.find(f"lrpose-{size}").input_size
