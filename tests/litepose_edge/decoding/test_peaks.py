"""Heatmaps to peaks, against loops over windows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.decoding import peaks


def peaks_of(heat, tags, kernel: int, min_peak: float, limit: int) -> peaks.Peaks:
    """All peaks above a threshold."""
    hot = peaks.hot_cells(heat, min_peak)
    return peaks.find_peaks(heat, tags, hot, kernel, limit)


@given(
    st.integers(0),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 12),
    st.integers(1, 14),
    st.integers(1, 14),
)
@settings(max_examples=80, deadline=None)
def test_peaks_are_those_of_a_loop_over_windows(seed, kernel, limit, height, width):
    rng = np.random.default_rng(seed)
    heat = rng.uniform(0, 1, (3, height, width)).astype(np.float32)
    tags = rng.normal(size=(2, 3, height, width)).astype(np.float32)
    top = peaks_of(heat, tags, kernel, 0.3, limit)
    expected = []
    half = kernel // 2
    for joint in range(3):
        found = []
        for y in range(height):
            for x in range(width):
                window = heat[
                    joint, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1
                ]
                if heat[joint, y, x] == window.max() > 0.3:
                    found.append((float(heat[joint, y, x]), joint, x, y))
        expected += sorted(found, reverse=True)[:limit]
    assert [int(j) for j in top.joints] == [joint for _, joint, _, _ in expected]
    assert top.cells.tolist() == [[x, y] for _, _, x, y in expected]
    np.testing.assert_array_equal(
        top.tags, [tags[:, joint, y, x] for _, joint, x, y in expected] or np.zeros((0, 2))
    )


def test_of_equal_neighbours_one_is_a_peak():
    heat = np.zeros((1, 20, 20), np.float32)
    heat[0, 5, 5:9] = 0.5
    heat[0, 15, 3] = heat[0, 15, 12] = 0.5
    top = peaks_of(heat, np.zeros((1, 1, 10, 10), np.float32), 5, 0.1, 30)
    assert top.cells.tolist() == [[5, 5], [8, 5], [3, 15], [12, 15]]


@pytest.mark.parametrize(("height", "width"), [(9, 7), (18, 14), (36, 28), (20, 11)])
def test_a_tag_is_that_of_the_cell_the_peak_lies_in(height, width):
    rng = np.random.default_rng(0)
    heat = rng.uniform(0.2, 1, (3, height, width)).astype(np.float32)
    tags = rng.normal(size=(2, 3, 9, 7)).astype(np.float32)
    top = peaks_of(heat, tags, 3, 0.1, 30)
    assert len(top.joints) > 3
    for joint, (x, y), tag in zip(top.joints, top.cells, top.tags, strict=True):
        row, column = int(y * 9 / height), int(x * 7 / width)
        np.testing.assert_array_equal(tag, tags[:, joint, row, column])


def test_a_quarter_cell_leans_to_the_higher_side_and_nowhere_between_equals():
    heat = np.zeros((1, 7, 9), np.float32)
    heat[0, 3, 3:6] = [0.2, 0.9, 0.4]
    heat[0, 6, 8] = 0.8
    heat[0, 0, 1] = 0.7
    cells = np.array([[[4, 3]], [[8, 6]], [[1, 0]]])
    offsets = peaks.quarter_offsets(heat, cells)
    assert offsets[:, 0].tolist() == [[0.25, 0], [0, 0], [0, 0]]


def test_the_average_of_both_scales_lies_between_their_cells():
    coarse = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    fine = np.zeros((1, 6, 8), np.float32)
    averaged = peaks.average_heatmaps(coarse, fine)
    np.testing.assert_allclose(averaged[0], cv2.resize(coarse[0], (8, 6)) / 2)
    assert (fine == 0).all()
