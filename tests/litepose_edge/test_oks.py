"""Object keypoint similarity."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge.oks import pairwise_oks


def test_a_pose_is_like_itself_and_unlike_one_far_away():
    one = np.random.default_rng(0).uniform(0, 100, (17, 2))
    poses = np.stack([one, one + 1, one + 300]).astype(np.float32)
    areas, weights = np.full((3, 3), 1e4), np.ones((3, 3, 17))
    oks = pairwise_oks(poses, poses, areas, weights, np.full(17, 0.07))
    np.testing.assert_allclose(np.diag(oks), 1)
    assert oks[0, 2] < 1e-6 < 0.9 < oks[0, 1] < 1
    np.testing.assert_allclose(oks, oks.T)


def test_it_is_cocos_formula():
    sigmas = np.array([0.05, 0.1])
    pose = np.array([[[0.0, 0.0], [10.0, 0.0]]])
    other = np.array([[[3.0, 4.0], [10.0, 8.0]]])
    area = 400.0
    # exp(-d^2 / (2 area (2 sigma)^2)), as pycocotools has it.
    each = [np.exp(-25 / (2 * area * 0.1**2)), np.exp(-64 / (2 * area * 0.2**2))]
    both = pairwise_oks(pose, other, np.array([[area]]), np.ones((1, 1, 2)), sigmas)
    assert both.item() == pytest.approx(np.mean(each))
    first = pairwise_oks(pose, other, np.array([[area]]), np.array([[[1.0, 0.0]]]), sigmas)
    assert first.item() == pytest.approx(each[0])
