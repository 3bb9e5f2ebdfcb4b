"""Augmentation of whole batches on the device."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.training.accelerator.pixel_augmentation import PixelAugmenter  # noqa: E402
from training_samples import PLAIN  # noqa: E402


def test_augmentations_are_those_asked_for():
    crops = torch.rand(8, 3, 64, 48) * 255
    assert torch.equal(PixelAugmenter(PLAIN, 1, "cpu")(crops), crops)
    covered = PixelAugmenter(dataclasses.replace(PLAIN, cutout=1.0), 1, "cpu")(crops)
    changed = (covered != crops).any(1).float().mean((1, 2))
    assert changed.min() > 0.01
    assert changed.max() < 0.2
    blurred = PixelAugmenter(dataclasses.replace(PLAIN, blur=0.5), 1, "cpu")(crops)
    rough = (blurred[..., 1:] - blurred[..., :-1]).abs().mean((1, 2, 3))
    assert (rough < 0.7 * rough.max()).sum() == 4
    tinted = dataclasses.replace(PLAIN, colour=1.0)
    once, again = (PixelAugmenter(tinted, 5, "cpu")(crops) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, PixelAugmenter(tinted, 6, "cpu")(crops))
    assert once.min() >= 0
    assert once.max() <= 255


def test_an_occluder_is_the_person_of_another_crop():
    crops = torch.arange(8.0)[:, None, None, None].expand(8, 3, 64, 48) * 30
    masks = torch.zeros(8, 1, 64, 48)
    masks[:, :, 20:40, 10:30] = 1
    front = dataclasses.replace(PLAIN, occluder=0.5)
    found = PixelAugmenter(front, 2, "cpu")(crops, masks)
    changed = found != crops
    people_hidden = changed.flatten(1).any(1)
    assert people_hidden.sum() == 4
    for i in people_hidden.nonzero().flatten().tolist():
        assert found[i][changed[i]].unique().tolist() == [30.0 * ((i - 2) % 8)]
        assert changed[i, 0].sum() == 20 * 20
