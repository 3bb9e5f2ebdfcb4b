"""Decoding by expected object keypoint similarity: the definition written out, and its habits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.decoding import heatmaps
from litepose_edge.decoding.expected_oks import (
    EXTENT,
    LEAST_HEAT,
    _vertices,
    expected_oks_cells,
    oks_kernels,
)
from litepose_edge.geometry import Size
from litepose_edge.skeletons import COCO_17
from litepose_edge.testing import gaussian_heatmaps, logits

SIGMAS = (0.026, 0.107, 0.072)


def by_definition(places, sigma):
    """The mean OKS of every cell over a distribution, cell by cell."""
    height, width = places.shape
    area = (EXTENT**2) * height * width
    rows, columns = np.mgrid[:height, :width]
    similarity = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            squared = (rows - y) ** 2 + (columns - x) ** 2
            similarity[y, x] = (places * np.exp(-squared / (2 * area * (2 * sigma) ** 2))).sum()
    return similarity / places.sum()


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_the_cell_is_the_one_of_the_highest_mean_similarity(activation):
    rng = np.random.default_rng(5)
    maps = rng.normal(0, 2, (4, 3, 16, 12)).astype(np.float32)
    found = expected_oks_cells(maps, activation, SIGMAS)
    for person in range(4):
        for joint, sigma in enumerate(SIGMAS):
            z = maps[person, joint].astype(np.float64)
            places = np.exp(z) if activation == "sigmoid" else np.maximum(z, 0)
            similarity = by_definition(places, sigma)
            y, x = np.unravel_index(similarity.argmax(), similarity.shape)
            assert np.abs(found[person, joint] - [x, y]).max() <= 0.5 + 1e-6
            # The place between the cells: the vertex of a parabola through the logarithms.
            if 0 < x < 11:
                before, here, after = np.log(similarity[y, x - 1 : x + 2])
                vertex = x + (after - before) / (2 * (2 * here - before - after))
                assert found[person, joint, 0] == pytest.approx(vertex, abs=1e-3)


@given(st.floats(4, 19), st.floats(5, 26))
@settings(max_examples=60)
def test_a_lonely_bell_is_found_to_a_fiftieth_of_a_cell(x, y):
    heat = gaussian_heatmaps(np.array([[[x, y]] * 17]), 32, 24)
    found, _ = heatmaps.decode_heatmaps(
        heat, activation="linear", refinement="expected-oks", oks_sigmas=COCO_17.oks_sigmas
    )
    np.testing.assert_allclose(found[0], [[x, y]] * 17, atol=0.02)


def test_two_low_peaks_beside_each_other_outweigh_a_higher_one_alone():
    """The peak is at the lone place; where a hip is more likely to count is between the two."""
    places = np.full((1, 2, 32, 24), 1e-6, np.float32)
    places[..., 4, 20] = 0.4
    places[..., 20, 8] = places[..., 20, 10] = 0.3
    eye, hip = expected_oks_cells(np.log(places), "sigmoid", (0.025, 0.107))[0]
    # An eye must be nearer than that to count: it stays at the peak.
    np.testing.assert_allclose(eye, [20, 4], atol=0.05)
    np.testing.assert_allclose(hip, [9, 20], atol=0.05)


def test_the_mirror_image_gives_the_mirrored_place():
    rng = np.random.default_rng(2)
    maps = rng.normal(0, 3, (5, 3, 20, 15)).astype(np.float32)
    found = expected_oks_cells(maps, "sigmoid", SIGMAS)
    mirrored = expected_oks_cells(maps[..., ::-1].copy(), "sigmoid", SIGMAS)
    np.testing.assert_allclose(mirrored[..., 0], 14 - found[..., 0], atol=1e-3)
    np.testing.assert_allclose(mirrored[..., 1], found[..., 1], atol=1e-3)


@given(st.integers(0, 10_000), st.sampled_from(["sigmoid", "linear"]))
@settings(max_examples=60)
def test_any_map_gives_a_place_on_it(seed, activation):
    rng = np.random.default_rng(seed)
    maps = rng.normal(0, rng.choice([0.01, 1, 50, 1e4]), (2, 3, 8, 6)).astype(np.float32)
    maps[0, 0] = rng.choice([-1e4, 0, 5])
    cells = expected_oks_cells(maps, activation, SIGMAS)
    assert np.isfinite(cells).all()
    assert ((cells >= 0) & (cells <= [5, 7])).all()


def test_scores_stay_the_heat_of_the_peak():
    rng = np.random.default_rng(4)
    maps = logits(rng.uniform(0.01, 0.9, (2, 3, 8, 6)).astype(np.float32))
    _, scores = heatmaps.decode_heatmaps(maps, refinement="expected-oks", oks_sigmas=SIGMAS)
    _, usual = heatmaps.decode_heatmaps(maps)
    np.testing.assert_array_equal(scores, usual)


def test_sigmas_must_be_as_many_as_maps():
    with pytest.raises(ValueError, match="0 OKS sigmas for 3 keypoints"):
        heatmaps.decode_heatmaps(np.zeros((1, 3, 8, 6), np.float32), refinement="expected-oks")


def vertex_of_an_axis(maps, top, step, inside):
    """One axis after the other, as a textbook would."""
    numbers = np.arange(len(top))
    around = (maps[numbers, np.where(inside, top + move, top)] for move in (-step, 0, step))
    before, here, after = (np.log(np.maximum(value, LEAST_HEAT)) for value in around)
    bend = 2 * here - before - after
    return np.where(bend > 0, (after - before) / (2 * np.maximum(bend, LEAST_HEAT)), 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.sampled_from((0, 1, 60)))
def test_both_axes_at_once_are_one_after_the_other_to_the_bit(seed, width, height, spread):
    rng = np.random.default_rng(seed)
    maps = np.exp(-spread * rng.random((4, height * width))).astype(np.float32)
    top = maps.argmax(axis=1)
    y, x = np.divmod(top, width)
    expected = np.empty((4, 2), np.float32)
    expected[:, 0] = x + vertex_of_an_axis(maps, top, 1, (x > 0) & (x < width - 1))
    expected[:, 1] = y + vertex_of_an_axis(maps, top, width, (y > 0) & (y < height - 1))
    np.testing.assert_array_equal(_vertices(maps, top, Size(width, height)), expected)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_known_peaks_change_nothing(activation):
    maps = np.random.default_rng(8).normal(0, 2, (2, 3, 16, 12)).astype(np.float32)
    alone = expected_oks_cells(maps, activation, SIGMAS)
    known = expected_oks_cells(maps, activation, SIGMAS, peaks=maps.max(axis=(2, 3)))
    np.testing.assert_array_equal(known, alone)


@pytest.mark.parametrize("size", [Size(24, 32), Size(48, 64), Size(5, 300)])
def test_no_product_of_heat_and_similarity_is_a_denormal_number(size):
    for kernel in oks_kernels(size, COCO_17.oks_sigmas):
        assert kernel[kernel > 0].min() * LEAST_HEAT > np.finfo(np.float32).tiny
        # So a blurred cell is as high as its own heat at least, and the next product as large.
        assert (np.diagonal(kernel, axis1=1, axis2=2) == 1).all()
