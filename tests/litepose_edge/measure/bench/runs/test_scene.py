"""Drawn scenes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.measure.bench.runs.scene import SIZE, draw_scene


@given(people=st.integers(1, 30), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_a_scene_has_every_person_inside_the_frame_in_a_place_of_their_own(people, seed):
    image, boxes = draw_scene(people, seed)
    assert image.shape == (SIZE.height, SIZE.width, 3)
    assert boxes.shape == (people, 4)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [SIZE.width, SIZE.height]).all()
    width = np.minimum(boxes[:, None, 2], boxes[None, :, 2]) - np.maximum(
        boxes[:, None, 0], boxes[None, :, 0]
    )
    height = np.minimum(boxes[:, None, 3], boxes[None, :, 3]) - np.maximum(
        boxes[:, None, 1], boxes[None, :, 1]
    )
    overlapping = (width > 0) & (height > 0)
    assert overlapping.sum() == people


def test_the_same_seed_draws_the_same_scene():
    first, second, other = (draw_scene(3, seed)[0] for seed in (5, 5, 6))
    assert (first == second).all()
    assert (first != other).any()
