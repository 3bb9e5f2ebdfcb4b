"""Heatmaps to keypoints, against the published procedure written as a plain loop."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import COCO_17
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Size
from litepose_edge.testing import gaussian_heatmaps, logits


def dark_by_the_book(heat: np.ndarray, kernel: int) -> tuple[float, float]:
    """DARK on one map (h, w) of heat: zero-padded blur, logarithm, one guarded Newton step."""
    height, width = heat.shape
    py, px = divmod(int(heat.argmax()), width)
    half = (kernel - 1) // 2
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    ticks = np.arange(-half, half + 1)
    bell = np.exp(-(ticks**2) / (2 * sigma**2))
    bell /= bell.sum()
    padded = np.pad(heat.astype(np.float64), half)
    blurred = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            window = padded[y : y + kernel, x : x + kernel]
            blurred[y, x] = bell @ window @ bell
    log = np.log(np.maximum(blurred, 1e-10))
    if not (0 < px < width - 1 and 0 < py < height - 1):
        return px, py
    right, left = log[py, px + 1], log[py, px - 1]
    below, above = log[py + 1, px], log[py - 1, px]
    middle = log[py, px]
    dx, dy = (right - left) / 2, (below - above) / 2
    if 1 < px < width - 2 and 1 < py < height - 2:
        dxx = (log[py, px + 2] - 2 * middle + log[py, px - 2]) / 4
        dyy = (log[py + 2, px] - 2 * middle + log[py - 2, px]) / 4
    else:
        dxx, dyy = right - 2 * middle + left, below - 2 * middle + above
    dxy = (
        log[py + 1, px + 1] - log[py - 1, px + 1] - log[py + 1, px - 1] + log[py - 1, px - 1]
    ) / 4
    determinant = dxx * dyy - dxy**2
    if dxx >= 0 or determinant <= 1e-12:
        return px, py
    step_x = (dxy * dy - dyy * dx) / determinant
    step_y = (dxy * dx - dxx * dy) / determinant
    return px + min(max(step_x, -1), 1), py + min(max(step_y, -1), 1)


@pytest.mark.parametrize("kernel", [1, 3, 7, 11])
@pytest.mark.parametrize("size", [Size(24, 32), Size(48, 64), Size(6, 8)])
def test_dark_agrees_with_the_plain_loop(kernel, size):
    rng = np.random.default_rng(kernel)
    cells = rng.uniform(-1, 1, (3, 17, 2)) * 0.6 * [size.width, size.height]
    cells += np.array([size.width, size.height]) / 2
    heat = gaussian_heatmaps(cells, size.height, size.width, sigma=max(1, kernel / 5))
    heat = (heat + rng.uniform(0.001, 0.02, heat.shape)).clip(0, 0.99).astype(np.float32)
    found, scores = heatmaps.decode_heatmaps(logits(heat), blur_kernel=kernel)
    for person in range(3):
        for joint in range(17):
            expected = dark_by_the_book(heat[person, joint], kernel)
            np.testing.assert_allclose(found[person, joint], expected, atol=1e-4)
    np.testing.assert_allclose(scores, heat.max(axis=(2, 3)), atol=1e-5)


@given(st.floats(2.5, 20.5), st.floats(2.5, 28.5), st.sampled_from([1, 3]))
@settings(max_examples=60)
def test_dark_finds_the_centre_of_a_clean_gaussian(x, y, kernel):
    heat = gaussian_heatmaps(np.array([[[x, y]]]), 32, 24, sigma=1.5)
    found, _ = heatmaps.decode_heatmaps(logits(heat), blur_kernel=kernel)
    np.testing.assert_allclose(found[0, 0], [x, y], atol=0.02)


@given(st.floats(0, 23), st.floats(0, 31))
@settings(max_examples=60)
def test_a_quarter_shift_lands_within_half_a_cell(x, y):
    heat = gaussian_heatmaps(np.array([[[x, y]]]), 32, 24)
    found, _ = heatmaps.decode_heatmaps(logits(heat), refinement="quarter")
    assert np.abs(found[0, 0] - [x, y]).max() <= 0.5 + 1e-3


@given(st.integers(0, 10_000), st.sampled_from(["dark", "quarter", "argmax"]))
@settings(max_examples=40)
def test_any_map_gives_finite_keypoints_near_it(seed, refinement):
    rng = np.random.default_rng(seed)
    maps = rng.normal(0, rng.choice([0.01, 1, 50, 1e4]), (2, 3, 8, 6)).astype(np.float32)
    cells, scores = heatmaps.decode_heatmaps(maps, refinement=refinement)
    assert np.isfinite(cells).all()
    assert ((cells >= -1) & (cells <= [6, 8])).all()
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("refinement", ["dark", "quarter"])
@pytest.mark.parametrize("corner", [(0, 0), (0, 23), (31, 0), (31, 23)])
def test_a_peak_in_the_corner_is_not_pushed_outside(refinement, corner):
    maps = np.full((1, 1, 32, 24), -9, np.float32)
    maps[0, 0, corner[0], corner[1]] = 3
    cells, _ = heatmaps.decode_heatmaps(maps, refinement=refinement)
    assert cells[0, 0].tolist() == [corner[1], corner[0]]


def test_a_saddle_moves_nothing():
    heat = np.full((1, 1, 9, 9), 0.2, np.float32)
    heat[0, 0, 4, :] = 0.5
    heat[0, 0, 4, 4] = 0.5001
    cells, _ = heatmaps.decode_heatmaps(logits(heat), blur_kernel=1)
    assert np.abs(cells[0, 0] - 4).max() < 0.51


def test_a_step_is_at_most_one_cell():
    heat = np.full((1, 1, 9, 9), 0.01, np.float32)
    heat[0, 0, 4, 4:] = [0.50001, 0.5, 0.5, 0.5, 0.5]
    cells, _ = heatmaps.decode_heatmaps(logits(heat))
    assert np.abs(cells[0, 0] - 4).max() <= 1


def test_flat_maps_score_their_own_level_and_stay_put():
    cells, scores = heatmaps.decode_heatmaps(np.zeros((1, 2, 8, 6), np.float32))
    assert cells.tolist() == [[[0, 0], [0, 0]]]
    np.testing.assert_allclose(scores, 0.5)


def test_linear_maps_are_clipped_to_scores():
    maps = np.zeros((1, 1, 8, 6), np.float32)
    maps[0, 0, 3, 2] = 1.7
    cells, scores = heatmaps.decode_heatmaps(maps, activation="linear", refinement="argmax")
    assert cells[0, 0].tolist() == [2, 3]
    assert scores[0, 0] == 1


def test_no_maps_decode_to_no_keypoints():
    cells, scores = heatmaps.decode_heatmaps(np.zeros((0, 17, 32, 24), np.float32))
    assert cells.shape == (0, 17, 2)
    assert scores.shape == (0, 17)


def test_the_maps_are_left_as_they_were():
    maps = np.random.default_rng(0).normal(size=(1, 3, 8, 6)).astype(np.float32)
    before = maps.copy()
    heatmaps.decode_heatmaps(maps)
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize(
    ("alignment", "first", "last"),
    [("centre", 3.5, 251.5), ("corner", 0, 248), ("udp", 0, 255)],
)
def test_cells_land_where_their_alignment_says(alignment, first, last):
    cells = np.array([[0, 0], [31, 31]], np.float32)
    pixels = heatmaps.cells_to_input(cells, Size(32, 32), Size(256, 256), alignment)
    np.testing.assert_allclose(pixels, [[first, first], [last, last]])


def test_dark_errs_far_less_than_the_quarter_shift_at_low_resolution():
    rng = np.random.default_rng(3)
    cells = rng.uniform(4, 20, (1, 200, 2))
    heat = logits(gaussian_heatmaps(cells, 24, 24))
    errors = {}
    for refinement in ("dark", "quarter"):
        found, _ = heatmaps.decode_heatmaps(heat, refinement=refinement)
        errors[refinement] = 8 * np.linalg.norm(found - cells, axis=2).mean()
    assert errors["dark"] < 0.3
    assert errors["quarter"] > 1
    assert math.isfinite(errors["dark"])


def plain_udp_step(heat: np.ndarray, x: int, y: int) -> tuple[float, float]:
    """UDP's published refinement on one already blurred map, written out, borders repeated."""
    log = np.pad(np.log(heat.clip(1e-3, 50)), 1, mode="edge")
    row, column = y + 1, x + 1
    here = log[row, column]
    right, left = log[row, column + 1], log[row, column - 1]
    below, above = log[row + 1, column], log[row - 1, column]
    dxy = log[row + 1, column + 1] - right - below + 2 * here - left - above
    dxy = (dxy + log[row - 1, column - 1]) / 2
    gradient = np.array([(right - left) / 2, (below - above) / 2])
    hessian = np.array([[right - 2 * here + left, dxy], [dxy, below - 2 * here + above]])
    if np.linalg.det(hessian) <= 1e-12 or hessian[0, 0] >= 0:
        return 0.0, 0.0
    step = -np.linalg.inv(hessian) @ gradient
    return tuple(step.clip(-1, 1))


@given(st.floats(0, 23), st.floats(0, 31))
@settings(max_examples=60, deadline=None)
def test_udps_step_is_the_published_one_at_the_border_too(x, y):
    maps = gaussian_heatmaps(np.array([[x, y]]), 32, 24).astype(np.float32)
    found, _ = heatmaps.decode_heatmaps(
        maps[None], activation="linear", refinement="dark-udp", blur_kernel=11
    )
    top_y, top_x = divmod(int(maps[0].argmax()), 24)
    blurred = cv2.GaussianBlur(maps[0], (11, 11), 0, borderType=cv2.BORDER_CONSTANT)
    step = plain_udp_step(blurred, top_x, top_y)
    np.testing.assert_allclose(found[0, 0], [top_x + step[0], top_y + step[1]], atol=2e-3)


@pytest.mark.parametrize(
    ("alignment", "error_px"), [("centre", 0.05), ("udp", 0.05), ("corner", 0.55)]
)
def test_a_mirrored_crop_agrees_after_mirroring_back(alignment, error_px):
    """SimpleBaseline's shift by a whole cell leaves half an input pixel, as is known of it."""
    size, cells = Size(192, 256), Size(48, 64)
    points = np.random.default_rng(0).uniform(30, 160, (17, 2))
    twin = list(COCO_17.flip_permutation)
    mirrored_points = np.stack([size.width - 1 - points[twin, 0], points[twin, 1]], axis=1)

    def draw(at: np.ndarray) -> np.ndarray:
        stride = 4
        in_cells = {
            "centre": (at + 0.5) / stride - 0.5,
            "corner": at / stride,
            "udp": at * (np.array([47, 63]) / np.array([191, 255])),
        }[alignment]
        return gaussian_heatmaps(in_cells, 64, 48).astype(np.float32)[None]

    maps = heatmaps.average_mirrored(draw(points), draw(mirrored_points), twin, alignment)
    found, _ = heatmaps.decode_heatmaps(maps, activation="linear", blur_kernel=3)
    at = heatmaps.cells_to_input(found[0], cells, size, alignment)
    assert np.abs(at - points).max() <= error_px
