"""Drawn textures."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.training.detection import textures  # noqa: E402


def test_drawn_pictures_are_of_many_kinds_and_always_the_right_shape():
    rng = np.random.default_rng(0)
    pictures = [textures.draw_texture(rng, Size(70, 50)) for _ in range(60)]
    assert all(p.shape == (50, 70, 3) and p.dtype == np.uint8 for p in pictures)
    spreads = [float(p.std()) for p in pictures]
    assert min(spreads) < 1 < 30 < max(spreads)
