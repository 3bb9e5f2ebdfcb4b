"""What several looks found becomes one set of boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.boxes import box_iou, nms
from litepose_edge.decoding.box_fusion import fuse

NO_BOXES = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def view(*found: tuple[tuple[float, ...], float]) -> tuple[np.ndarray, np.ndarray]:
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    return boxes, np.array([score for _, score in found], np.float32)


def test_edges_are_means_weighted_by_the_scores_and_scores_plain_means():
    boxes, scores = fuse([view(((0, 0, 10, 20), 0.9)), view(((1, 0, 10, 20), 0.3))], 0.6, 0.1)
    np.testing.assert_allclose(boxes, [[0.25, 0, 10, 20]], atol=1e-6)
    np.testing.assert_allclose(scores, [0.6], atol=1e-6)


def test_a_view_without_a_box_there_counts_as_zero():
    boxes, scores = fuse([view(((0, 0, 10, 20), 0.9)), NO_BOXES], 0.6, 0.1)
    np.testing.assert_allclose(boxes, [[0, 0, 10, 20]])
    np.testing.assert_allclose(scores, [0.45])
    assert len(fuse([view(((0, 0, 10, 20), 0.9)), NO_BOXES], 0.6, 0.5)[1]) == 0


def test_boxes_that_overlap_little_are_different_people():
    pair = [view(((0, 0, 10, 20), 0.8)), view(((5, 0, 15, 20), 0.6))]
    assert len(fuse(pair, 0.6, 0.1)[1]) == 2
    assert len(fuse(pair, 0.3, 0.1)[1]) == 1


def test_of_two_that_overlap_alike_the_higher_score_joins_and_the_other_stays():
    crowd = view(((0, 0, 10, 20), 0.2), ((0, 0, 10, 19), 0.7))
    boxes, scores = fuse([view(((0, 0, 10, 20), 0.9)), crowd], 0.6, 0.05)
    np.testing.assert_allclose(sorted(scores), [0.1, 0.8], atol=1e-6)
    assert boxes[scores.argmax()][3] < 20


def test_no_boxes_in_any_view():
    boxes, scores = fuse([NO_BOXES, NO_BOXES], 0.6, 0.3)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@st.composite
def several_looks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    views = []
    for count in draw(st.lists(st.integers(0, 6), min_size=1, max_size=3)):
        corner = rng.uniform(0, 20, (count, 2))
        boxes = np.hstack([corner, corner + rng.uniform(5, 20, (count, 2))]).astype(np.float32)
        scores = rng.uniform(0.05, 1, count).astype(np.float32)
        kept = nms(boxes, scores, 0.5)
        views.append((boxes[kept], scores[kept]))
    return views


@given(several_looks(), st.floats(0.05, 0.9))
@settings(max_examples=150, deadline=None)
def test_who_is_left_out_does_not_change_who_stays(views, least):
    boxes, scores = fuse(views, 0.5, 0.0)
    fewer_boxes, fewer = fuse(views, 0.5, least)
    sure = scores >= np.float32(least)
    # A mean that lies on the threshold may fall either way by rounding.
    if np.abs(scores - least).min(initial=1) > 1e-6:
        np.testing.assert_array_equal(fewer, scores[sure])
        np.testing.assert_array_equal(fewer_boxes, boxes[sure])


@given(several_looks())
@settings(max_examples=150, deadline=None)
def test_every_box_is_used_once_and_stays_within_those_it_is_made_of(views):
    boxes, scores = fuse(views, 0.5, 0.0)
    total = sum(float(found.sum()) for _, found in views)
    np.testing.assert_allclose(scores.sum() * len(views), total, rtol=1e-4, atol=1e-6)
    everywhere = np.concatenate([found for found, _ in views])
    if len(boxes):
        assert box_iou(boxes, everywhere).max(axis=1).min() >= 0.5 - 1e-4
