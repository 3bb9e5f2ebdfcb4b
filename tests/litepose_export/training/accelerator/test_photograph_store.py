"""Views cut from photographs on the device."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge import geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.preprocess import warp  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.accelerator import photograph_store  # noqa: E402
from litepose_export.training.accelerator.photograph_store import PhotographStore  # noqa: E402


def test_views_are_cut_as_the_runtime_does():
    rng = np.random.default_rng(0)
    # Smooth pictures: on noise a rounded coordinate changes a pixel by a lot.
    pictures = [
        cv2.GaussianBlur(rng.integers(0, 256, (h, w, 3), np.uint8), (0, 0), 4)
        for h, w in ((300, 240), (90, 120), (201, 333))
    ]
    views = []
    for zoom in (0.5, 1.0, 2.2, 4.5):  # from two image pixels a pixel on, blocks are averaged
        turn = np.deg2rad(20)
        linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        views += [np.column_stack([linear, [-10.0, 5.0]])] * 3
    numbers = torch.arange(3).repeat(4)
    cut = PhotographStore(pictures, "cpu").sample(numbers, np.array(views), Size(64, 96))
    for number, view, found in zip(numbers.tolist(), views, cut, strict=True):
        expected = warp(pictures[number], geometry.invert(view), Size(64, 96))[..., ::-1]
        difference = np.abs(found.permute(1, 2, 0).numpy() - expected)
        assert difference.mean() < 1.0
        assert np.quantile(difference, 0.99) < 12  # whose blocks begin elsewhere, at the edge


def test_more_pixels_than_can_be_numbered_are_refused_before_they_are_copied(monkeypatch):
    monkeypatch.setattr(photograph_store, "_levels", None)
    # One row stands for all: it takes no memory.
    large = np.broadcast_to(np.zeros((1, 30_000, 3), np.uint8), (30_000, 30_000, 3))
    with pytest.raises(ExportError, match=r"got 1800000000 in 2: .* without --data-on-device"):
        PhotographStore([large, large], "cpu")


def test_the_mask_of_a_person_is_cut_along():
    picture = np.full((40, 40, 3), 100, np.uint8)
    ids = np.zeros((40, 40), np.uint8)
    ids[10:20, 5:15], ids[30:, 30:] = 200, 3
    store = PhotographStore([picture], "cpu", [ids])
    whole = np.array([[[1.0, 0, 0], [0, 1, 0]]])
    for person in (200, 3):
        found = store.sample(
            torch.zeros(1, dtype=torch.int64), whole, Size(40, 40), as_byte(person)
        )
        np.testing.assert_array_equal(found[0, 3].numpy() == 1, ids == person)
        np.testing.assert_array_equal(found[0, :3].numpy(), 100)
    background = store.sample(torch.zeros(1, dtype=torch.int64), whole, Size(40, 40), as_byte(0))
    assert background[0, 3].max() == 0


def as_byte(person):
    return torch.tensor([person], dtype=torch.uint8)
