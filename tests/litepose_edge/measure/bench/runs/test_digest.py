"""Checksum and shift of keypoints."""

from __future__ import annotations

import math

import numpy as np
import pytest

from litepose_edge.measure.bench.runs.digest import checksum, shift


def result_arrays(x, people=1):
    return [(np.full((people, 2, 2), x, np.float32), np.array([[0.9, 0.1]] * people, np.float32))]


def test_the_checksum_changes_with_a_bit():
    near = np.nextafter(np.float32(10), np.float32(11))
    assert checksum(result_arrays(10)) == checksum(result_arrays(10))
    assert checksum(result_arrays(10)) != checksum(result_arrays(near))


def test_the_shift_is_the_distance_of_joints_the_reference_is_sure_of():
    moved = shift(result_arrays(13), result_arrays(10), "base")
    assert (moved.joints, moved.against) == (1, "base")
    assert moved.median_px == pytest.approx(3 * math.sqrt(2), abs=1e-3)


def test_different_people_are_not_compared_and_the_reason_is_given():
    moved = shift(result_arrays(10, people=2), result_arrays(10), "base")
    assert moved.median_px is None
    assert moved.reason == "2 people in a frame where it has 1"


def test_an_empty_scene_has_no_shift():
    empty = [(np.zeros((0, 2, 2), np.float32), np.zeros((0, 2), np.float32))]
    assert "no keypoint" in shift(empty, empty, "base").reason
