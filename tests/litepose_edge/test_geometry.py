"""Affine maps and boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litepose_edge import geometry
from litepose_edge.boxes import box_iou, nms
from litepose_edge.geometry import Size

sizes = st.builds(Size, st.integers(1, 4000), st.integers(1, 4000))
coordinate = st.floats(-1000, 5000, allow_nan=False, width=32)
extent = st.floats(1, 3000, allow_nan=False, width=32)
boxes = st.tuples(coordinate, coordinate, extent, extent).map(
    lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]], np.float64)
)


def test_a_size_is_width_first_and_a_shape_height_first():
    assert Size.of(np.zeros((480, 640, 3))) == Size(width=640, height=480)


@given(boxes, sizes, st.floats(1, 2), st.lists(st.tuples(coordinate, coordinate), min_size=1))
def test_a_crop_map_there_and_back_is_the_identity(box, size, padding, points):
    to_input = geometry.crop_affine(box, size, padding)
    there = geometry.transform(to_input, np.array(points))
    back = geometry.transform(geometry.invert(to_input), there)
    np.testing.assert_allclose(back, points, atol=1e-5 * np.abs(box).max() + 1e-5)


@given(boxes, sizes)
def test_a_box_lands_in_the_middle_of_the_crop_and_inside_it(box, size):
    to_input = geometry.crop_affine(box, size, 1.25)
    corners = geometry.transform(to_input, box.reshape(2, 2))
    middle = np.array([size.width - 1, size.height - 1]) / 2
    np.testing.assert_allclose(corners.mean(axis=0), middle, atol=1e-3)
    span = corners[1] - corners[0]
    fill = span / [size.width, size.height]
    assert fill.max() == pytest.approx(1 / 1.25, rel=1e-6)


def test_many_boxes_give_the_maps_that_single_boxes_give():
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 200, (5, 2))
    many = np.concatenate([low, low + rng.uniform(10, 100, (5, 2))], axis=1)
    maps = geometry.crop_affine(many, Size(192, 256), 1.25)
    for box, affine in zip(many, maps, strict=True):
        np.testing.assert_array_equal(affine, geometry.crop_affine(box, Size(192, 256), 1.25))


@given(st.floats(-500, 2000), st.floats(-500, 2000), st.floats(1, 3000), st.floats(0.2, 5), sizes)
def test_a_view_ends_on_pixel_edges_less_than_an_input_pixel_away(x, y, width, aspect, size):
    box = np.array([x, y, x + width, y + width * aspect])
    free = geometry.crop_affine(box, size, 1.25)
    view = geometry.crop_view(box, size, 1.25)
    corners = np.array([[-0.5, -0.5], [size.width - 0.5, size.height - 0.5]])
    edges = geometry.transform(geometry.invert(view), corners)
    wanted = geometry.transform(geometry.invert(free), corners)
    if (wanted[1] - wanted[0]).min() < geometry.MIN_ALIGNED:
        np.testing.assert_array_equal(view, free)
        return
    block = geometry.reduction(free[0, 0])
    np.testing.assert_allclose((edges + 0.5) / block, np.round((edges + 0.5) / block), atol=1e-6)
    assert np.abs(edges - wanted).max() <= max(1 / free[0, 0], 1) + 1e-6


def test_many_boxes_give_the_views_that_single_boxes_give():
    rng = np.random.default_rng(2)
    low = rng.uniform(0, 200, (20, 2))
    many = np.concatenate([low, low + rng.uniform(1, 1500, (20, 2))], axis=1)
    views = geometry.crop_view(many, Size(144, 192), 1.25)
    for box, view in zip(many, views, strict=True):
        np.testing.assert_array_equal(view, geometry.crop_view(box, Size(144, 192), 1.25))


@given(sizes, sizes)
def test_a_letterbox_keeps_the_whole_image_inside_and_touches_two_edges(image, target):
    to_input = geometry.letterbox_affine(image, target)
    edges = np.array([[-0.5, -0.5], [image.width - 0.5, image.height - 0.5]])
    low, high = geometry.transform(to_input, edges)
    assert (low >= -0.5 - 1e-6).all()
    assert (high <= np.array([target.width, target.height]) - 0.5 + 1e-6).all()
    gap = np.minimum(low + 0.5, 0) + (high - low)
    assert np.isclose(gap, [target.width, target.height], rtol=1e-6).any()


def test_compose_applies_the_inner_map_first():
    double = np.array([[2.0, 0, 0], [0, 2, 0]])
    shift = np.array([[1.0, 0, 10], [0, 1, 0]])
    point = np.array([[1.0, 1.0]])
    assert geometry.transform(geometry.compose(double, shift), point).tolist() == [[22, 2]]


def test_iou_of_a_box_with_itself_is_one_and_with_one_far_away_zero():
    box = np.array([[0, 0, 10, 10]], np.float32)
    other = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(box_iou(box, other), [[1, 1 / 3, 0]], rtol=1e-6)


def random_boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 100, (count, 2))
    return (
        np.concatenate([low, low + rng.uniform(5, 60, (count, 2))], axis=1).astype(np.float32),
        rng.random(count).astype(np.float32),
    )


@given(st.integers(0, 1000), st.integers(0, 30))
def test_nms_twice_is_nms_once_and_keeps_the_best(seed, count):
    found, scores = random_boxes(seed, count)
    kept = nms(found, scores, 0.4)
    again = nms(found[kept], scores[kept], 0.4)
    assert again.tolist() == list(range(len(kept)))
    assert count == 0 or kept[0] == scores.argmax()
    overlap = box_iou(found[kept], found[kept]) - np.eye(len(kept))
    assert (overlap <= 0.4 + 1e-6).all()


@given(st.integers(0, 1000), st.integers(0, 30))
def test_nms_agrees_with_the_textbook_loop(seed, count):
    found, scores = random_boxes(seed, count)
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(box_iou(found[i][None], found[j][None])[0, 0] <= 0.4 for j in kept):
            kept.append(int(i))
    assert nms(found, scores, 0.4).tolist() == kept


@given(st.lists(boxes, min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_points_leave_a_view_as_through_the_inverse_map(people, seed):
    views = geometry.crop_view(np.array(people), Size(144, 192), 1.25)
    points = np.random.default_rng(seed).normal(70, 50, (len(views), 17, 2)).astype(np.float32)
    expected = geometry.transform(geometry.invert(views), points)
    np.testing.assert_array_equal(geometry.out_of_view(views, points), expected)
