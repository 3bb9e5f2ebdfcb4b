"""Which people crops show."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge import geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.training.data.crop_placement import PlacementSampler  # noqa: E402
from training_samples import PLAIN  # noqa: E402

SIZE = Size(48, 64)


def test_people_are_drawn_by_share(people):
    two = dataclasses.replace(people, source=np.array([0] * 2 + [1] * 6))
    placements = PlacementSampler(two, PLAIN, np.random.default_rng(0))
    assert set(placements.draw_people(50, (1.0, 0.0))) == {0, 1}
    assert 0.6 < np.mean(placements.draw_people(500, (0.3, 0.7)) >= 2) < 0.8


def test_crops_without_people_show_hard_negatives_wherever_they_are(people):
    boxes = [np.zeros((0, 4), np.float32) for _ in people.images]
    boxes[-1] = np.array([[5, 5, 25, 45]], np.float32)
    hard = dataclasses.replace(people, negatives_xyxy=tuple(boxes))
    options = dataclasses.replace(PLAIN, background=1)
    placements = PlacementSampler(hard, options, np.random.default_rng(0))
    first = int(np.flatnonzero(people.image_index == 0)[0])
    drawn = [placements.place(first, SIZE) for _ in range(200)]
    expected = geometry.crop_affine(boxes[-1][0], SIZE, options.padding)
    shown = [
        d for d in drawn if people.image_index[d.person] == len(people.images) - 1 and d.background
    ]
    assert all(np.allclose(np.abs(d.to_input[0, 0]), expected[0, 0]) for d in shown)
    assert 0.6 < len(shown) / len(drawn) < 0.8
