"""Places without people, and the detector's false positives among them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.training.detection import hard_negatives  # noqa: E402


def test_a_tile_touches_no_person():
    rng = np.random.default_rng(1)
    image = np.zeros((100, 120, 3), np.uint8)
    people = np.array([[40, 20, 70, 90]], np.float32)
    tiles = [hard_negatives.random_tile(rng, [image], [people]) for _ in range(50)]
    found = [t.box_xywh for t in tiles if t is not None]
    assert len(found) > 20
    for x, y, w, h in found:
        assert x + w <= 40 or x >= 70 or y + h <= 20 or y >= 90


def test_where_a_person_fills_the_picture_there_is_no_tile():
    rng = np.random.default_rng(1)
    everywhere = np.array([[0, 0, 120, 100]], np.float32)
    assert (
        hard_negatives.random_tile(rng, [np.zeros((100, 120, 3), np.uint8)], [everywhere]) is None
    )


def test_where_people_fill_all_pictures_nothing_is_mined():
    images = [np.zeros((100, 120, 3), np.uint8)]
    everywhere = [np.array([[0, 0, 120, 100]], np.float32)]
    rng, passed = np.random.default_rng(1), []
    tiles = hard_negatives.mine_hard_negatives(
        torch.nn.Identity(), images, everywhere, rng, lambda: passed.append(1), tries=32
    )
    assert tiles == []
    assert len(passed) == 2


def test_mining_finds_the_tiles_that_score_highest():
    """A stand-in that believes in brightness: the bright photograph's tiles must come back."""

    class Fooled(torch.nn.Module):
        def forward(self, x):
            level = x.mean(dim=(1, 2, 3), keepdim=True).expand(-1, 5, 7, 7)
            return (level, level, level)

    images = [np.full((80, 80, 3), value, np.uint8) for value in (30, 40, 220, 50)]
    background = [np.zeros((0, 4), np.float32)] * 4
    rng = np.random.default_rng(2)
    tiles = hard_negatives.mine_hard_negatives(
        Fooled(), images, background, rng, lambda: None, tries=160, share=0.15
    )
    assert len(tiles) == 24
    assert {tile.photograph for tile in tiles} == {2}
