"""Which people crops show."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.training.data.crop_placement import PlacementSampler  # noqa: E402
from training_samples import PLAIN  # noqa: E402


def test_people_are_drawn_by_share(people):
    two = dataclasses.replace(people, source=np.array([0] * 2 + [1] * 6))
    placements = PlacementSampler(two, PLAIN, np.random.default_rng(0))
    assert set(placements.draw_people(50, (1.0, 0.0))) == {0, 1}
    assert 0.6 < np.mean(placements.draw_people(500, (0.3, 0.7)) >= 2) < 0.8
