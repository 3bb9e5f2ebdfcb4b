"""Heatmaps as targets: where their peaks lie, how maps are resampled and widened."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.decoding import heatmaps  # noqa: E402
from litepose_export.training.core import targets  # noqa: E402


def test_targets_decode_to_the_points_they_were_drawn_from():
    rng = np.random.default_rng(0)
    cells = rng.uniform(2, 20, (2, 17, 2)).astype(np.float32)
    maps = targets.gaussian_maps(torch.from_numpy(cells), 24, 24, sigma=1.0)
    found, scores = heatmaps.decode_heatmaps(maps.numpy(), activation="linear", blur_kernel=1)
    np.testing.assert_allclose(found, cells, atol=1e-3)
    assert scores.min() > 0.7


@pytest.mark.parametrize("x", [-0.6, 23.6, 100])
def test_a_point_outside_the_map_is_an_empty_map(x):
    maps = targets.gaussian_maps(torch.tensor([[[x, 5.0]]]), 24, 24, sigma=1.0)
    assert maps.abs().max() == 0


def test_warped_maps_carry_their_peaks_along():
    maps = targets.gaussian_maps(torch.tensor([[[10.0, 12.0]]]), 32, 24, sigma=2.0)
    # New cell (x, y) looks at old cell (2 x + 1, y - 3).
    to_source = torch.tensor([[[2.0, 0, 1], [0, 1, -3]]])
    warped = targets.warp_maps(maps, to_source, 32, 24)[0, 0]
    y, x = divmod(int(warped.argmax()), 24)
    assert y == 15
    assert abs(2 * x + 1 - 10) <= 1


def test_widened_maps_are_wider_and_as_high():
    cells = torch.tensor([[[12.0, 16.0]]])
    widened = targets.widen_maps(targets.gaussian_maps(cells, 32, 24, 1.0), 1.0, 2.0)
    expected = targets.gaussian_maps(cells, 32, 24, 2.0)
    torch.testing.assert_close(widened, expected, atol=0.03, rtol=0)
