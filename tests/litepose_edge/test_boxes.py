"""The box of a body, and boxes cut at an image's edges; overlap and suppression."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.boxes import BODY_MARGINS, body_boxes, box_area, clip_boxes
from litepose_edge.geometry import Size


@given(st.integers(0), st.integers(1, 5))
@settings(max_examples=60)
def test_a_body_holds_its_counted_keypoints_within_the_image(seed, count):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 99, (count, 17, 2)).astype(np.float32)
    counted = rng.uniform(size=(count, 17)) < 0.3
    counted[:, 3] = True
    boxes = clip_boxes(body_boxes(keypoints, counted), Size(100, 100))
    assert (box_area(boxes) > 0).all()
    assert boxes.min() >= -0.5
    assert boxes.max() <= 99.5
    for box, points, mask in zip(boxes, keypoints, counted, strict=True):
        assert (points[mask] >= box[:2]).all()
        assert (points[mask] <= box[2:]).all()


def test_a_body_reaches_beyond_its_keypoints_by_parts_of_their_longer_extent():
    keypoints = np.array([[[20, 30], [40, 70], [0, 0]]], np.float32)
    boxes = body_boxes(keypoints, np.array([[True, True, False]]))
    left, top, right, bottom = (40 * margin for margin in BODY_MARGINS)
    np.testing.assert_allclose(boxes, [[20 - left, 30 - top, 40 + right, 70 + bottom]], rtol=1e-6)
    assert boxes.dtype == np.float32


def test_a_lone_keypoint_fills_its_own_pixel_and_none_leaves_a_union_as_it_is():
    keypoints = np.full((2, 3, 2), 7, np.float32)
    boxes = body_boxes(keypoints, np.array([[True, False, False], [False] * 3]))
    np.testing.assert_allclose(boxes[0], [6.5, 6.5, 7.5, 7.5])
    assert np.minimum(boxes[1, :2], 3).tolist() == [3, 3]
    assert np.maximum(boxes[1, 2:], 3).tolist() == [3, 3]
    assert body_boxes(keypoints[:0], np.zeros((0, 3), bool)).shape == (0, 4)
