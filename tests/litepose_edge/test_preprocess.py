"""Checks, crops and normalisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import geometry, preprocess
from litepose_edge.errors import InvalidBoxError, InvalidImageError
from litepose_edge.geometry import Size
from litepose_edge.manifest import InputSpec

IMAGENET = InputSpec(
    width=24, height=32, colour="rgb", mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4)
)


@pytest.mark.parametrize(
    "image",
    [
        None,
        [[1, 2, 3]],
        "photo.jpg",
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 1), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((2, 10, 10, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_refused_naming_what_came(image):
    with pytest.raises(InvalidImageError, match="got ") as caught:
        preprocess.check_image(image)
    assert isinstance(caught.value, ValueError)
    if isinstance(image, np.ndarray):
        assert str(image.shape) in str(caught.value)
        assert str(image.dtype) in str(caught.value)


def test_a_flipped_view_is_simply_handled():
    image = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)[:, ::-1]
    checked = preprocess.check_image(image)
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, image)


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ([[0, 0, np.nan, 5]], "not finite"),
        ([[0, 0, np.inf, 5]], "not finite"),
        ([[5, 0, 1, 5]], "x1 < x2"),
        ([[0, 5, 5, 5]], "y1 < y2"),
        ([[200, 0, 300, 50]], "outside"),
        ([[0, 0, 10, 10], [-9, -9, -1, -1]], "box 1"),
        ([0, 0, 5, 5], "shape"),
        ([[0, 0, 5]], "shape"),
        ("boxes", "boxes"),
        ([[None, 0, 1, 1]], "real numbers"),
        ([["1", "2", "3", "4"]], "real numbers"),
        ([[0, 0, 5j, 5]], "real numbers"),
        ([[0, 0, 10**400, 5]], "numbers"),
        ([[0, 0, 1e39, 5]], "too large"),
        ([[1e8, 0, 1e8 + 1, 5]], "x1 < x2"),
        (np.ma.masked_greater([[0, 0, 9, 5]], 8), "masked"),
        ([[1, 2], [3]], "numbers"),
    ],
)
def test_a_wrong_box_is_refused_with_the_reason(boxes, says):
    with pytest.raises(InvalidBoxError, match=says):
        preprocess.check_boxes(boxes, Size(100, 100))


def test_a_box_partly_outside_is_used_as_it_is():
    boxes = preprocess.check_boxes([[-20, -5, 50, 300]], Size(100, 100))
    assert boxes.tolist() == [[-20, -5, 50, 300]]
    assert boxes.dtype == np.float32


@pytest.mark.parametrize(
    "boxes",
    [[[1, 2, 3, 4]], np.array([[1, 2, 3, 4]], np.uint8), np.array([[1, 2, 3, 4]], object),
     np.ma.array([[1, 2, 3, 4]]), [[np.float16(1), 2, 3.0, 4]]],
)  # fmt: skip
def test_boxes_of_any_real_numbers_are_taken(boxes):
    assert preprocess.check_boxes(boxes, Size(100, 100)).tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4)), ()])
def test_no_boxes_are_no_boxes(boxes):
    assert preprocess.check_boxes(boxes, Size(10, 10)).shape == (0, 4)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_normalisation_equals_the_textbook_and_keeps_the_colour_order(colour):
    spec = InputSpec(width=24, height=32, colour=colour, mean=IMAGENET.mean, std=IMAGENET.std)
    crop = np.random.default_rng(0).integers(0, 256, (32, 24, 3), np.uint8)
    ordered = crop[..., ::-1] if colour == "rgb" else crop
    expected = ((ordered - np.array(spec.mean)) / np.array(spec.std)).transpose(2, 0, 1)
    batch = preprocess.Normalizer(spec)(crop)
    assert batch.shape == (1, 3, 32, 24)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[0], expected, atol=1e-5)


def test_swapped_channels_are_noticed():
    crop = np.zeros((32, 24, 3), np.uint8)
    crop[..., 2] = 255  # red in BGR
    batch = preprocess.Normalizer(IMAGENET)(crop)
    assert batch[0, 0].min() > 2  # red plane first
    assert batch[0, 2].max() < -1


def smooth_picture(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    angles = [x / width * a + y / height * b for a, b in ((3, 1), (1, 4), (2, 2))]
    return np.stack([127 + 100 * np.sin(a) for a in angles], axis=-1).astype(np.uint8)


@given(st.integers(300, 900), st.integers(300, 900), st.floats(0.1, 0.45))
@settings(max_examples=25, deadline=None)
def test_shrinking_in_blocks_first_moves_nothing(width, height, scale):
    image = smooth_picture(width, height)
    size = Size(48, 64)
    centre = np.array([width, height]) / 2
    affine = np.column_stack([np.eye(2) * scale, [23.5, 31.5] - scale * centre])
    crop = preprocess.warp(image, affine, size)
    inside = geometry.transform(
        geometry.invert(affine), np.array([[x, y] for y in range(8, 56) for x in range(8, 40)])
    )
    keep = ((inside > 8) & (inside < np.array([width, height]) - 9)).all(axis=1)
    nearest = np.round(inside[keep]).astype(int)
    got = crop[8:56, 8:40].reshape(-1, 3)[keep].astype(int)
    want = image[nearest[:, 1], nearest[:, 0]].astype(int)
    assert np.abs(got - want).mean() < 2.5


@given(
    st.integers(-200, 500),
    st.integers(-200, 400),
    st.integers(70, 900),
    st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)),
)
@settings(max_examples=60, deadline=None)
def test_a_view_of_whole_pixels_is_cut_as_an_affine_warp_would(x, y, width, fill):
    image = smooth_picture(640, 480)
    size = Size(48, 64)
    view = geometry.crop_view(np.array([x, y, x + width, y + width * 1.3]), size, 1.25)
    crop = preprocess.warp(image, view, size, fill=fill)
    # A hair of shear: the same view, but no rectangle, and so the general way.
    sheared = view + np.array([[0, 1e-9, 0], [0, 0, 0]])
    general = preprocess.warp(image, sheared, size, fill=fill)
    difference = np.abs(crop.astype(int) - general.astype(int)).max(axis=2)
    # Around the border the two mix image and fill a little differently.
    seen = geometry.transform(
        geometry.invert(view), np.stack(np.meshgrid(range(48), range(64)), axis=-1).reshape(-1, 2)
    )
    margin = 3 / view[0, 0]
    outside = ((seen < -margin) | (seen > np.array([640, 480]) + margin)).any(axis=1)
    inside = ((seen > margin) & (seen < np.array([640, 480]) - margin)).all(axis=1)
    assert (difference.ravel()[inside | outside] <= 3).all()


@pytest.mark.parametrize("fill", [(0, 0, 0), (7, 8, 9)])
@pytest.mark.parametrize("width", [60, 130, 300, 700])
def test_a_view_beyond_the_image_is_that_of_an_image_with_a_border(width, fill):
    image = np.random.default_rng(width).integers(0, 256, (320, 448, 3), np.uint8)
    size, border = Size(48, 64), 1024
    view = geometry.crop_view(np.array([-40.0, -30, width - 40, width * 1.3 - 30]), size, 1.25)
    wide = np.full((320 + 2 * border, 448 + 2 * border, 3), fill, np.uint8)
    wide[border : border + 320, border : border + 448] = image
    moved = view - np.array([[0, 0, border * view[0, 0]], [0, 0, border * view[1, 1]]])
    expected = preprocess.warp(wide, moved, size)
    np.testing.assert_array_equal(preprocess.warp(image, view, size, fill=fill), expected)


def test_a_view_beside_the_image_is_all_fill():
    view = geometry.crop_view(np.array([900.0, 900, 1100, 1200]), Size(48, 64), 1.25)
    crop = preprocess.warp(smooth_picture(640, 480), view, Size(48, 64), fill=(7, 8, 9))
    assert (crop == (7, 8, 9)).all()


def test_a_strong_reduction_does_not_alias():
    checkers = np.indices((1024, 1024)).sum(axis=0) % 2 * 255
    image = np.repeat(checkers.astype(np.uint8)[..., None], 3, axis=2)
    affine = geometry.letterbox_affine(Size(1024, 1024), Size(100, 100))
    crop = preprocess.warp(image, affine, Size(100, 100))
    assert np.abs(crop[5:-5, 5:-5].astype(int) - 127).max() < 30


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 2)])
def test_odd_shapes_survive(size):
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    affine = geometry.letterbox_affine(Size(*size), Size(64, 64))
    crop = preprocess.warp(image, affine, Size(64, 64), fill=(9, 9, 9))
    assert crop.shape == (64, 64, 3)
    assert crop.min() >= 9


def test_the_border_takes_the_fill_colour():
    image = np.full((50, 100, 3), 200, np.uint8)
    affine = geometry.letterbox_affine(Size(100, 50), Size(64, 64))
    crop = preprocess.warp(image, affine, Size(64, 64), fill=(1, 2, 3))
    assert crop[0, 0].tolist() == [1, 2, 3]
    assert crop[32, 32].tolist() == [200, 200, 200]


def test_buffers_of_the_sizes_used_last_are_kept_and_no_others():
    spec = InputSpec(width=32, height=32, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))
    normalizers = preprocess.Normalizers(spec)
    first, second = (normalizers(Size(16, height)) for height in (16, 32))
    for width in range(preprocess.KEPT_SIZES - 2):
        normalizers(Size(64 + width, 64))
    assert normalizers(Size(16, 16)) is first  # and used last from now on
    normalizers(Size(640, 640))
    assert normalizers(Size(16, 16)) is first
    assert normalizers(Size(16, 32)) is not second


@pytest.mark.parametrize("shape", [(40, 700), (700, 40), (1, 900), (500, 300)])
@pytest.mark.parametrize(
    "box", [(0, 0, 1, 1), (0.9, 0, 1, 1), (0, 0.9, 1, 1), (0.4, 0.4, 0.6, 0.6)]
)
def test_long_images_look_the_same_within_reach_of_the_warp(shape, box, monkeypatch):
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    waves = 127 + 80 * np.sin(rows / 20) + 40 * np.cos(columns / 25)
    image = np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)
    edges = np.array(box) * [width, height, width, height]
    # Views of under 64 pixels keep their place between the pixels, and are warped.
    to_input = geometry.crop_affine(edges + 0.3, Size(48, 64), 1.25)
    expected = preprocess.warp(image, to_input, Size(48, 64))
    monkeypatch.setattr(preprocess, "MAX_WARPED_SIDE", 300)
    found = preprocess.warp(image, to_input, Size(48, 64))
    assert np.abs(found.astype(int) - expected).mean() < 6


def test_nothing_of_a_long_image_is_the_colour_beside_it():
    image = np.full((1, 40_000, 3), 9, np.uint8)
    to_input = geometry.crop_affine(np.array([90_000, 50, 90_030, 90]), Size(48, 64), 1.0)
    assert (preprocess.warp(image, to_input, Size(48, 64), fill=(1, 2, 3)) == (1, 2, 3)).all()
