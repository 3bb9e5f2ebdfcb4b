"""Batches made in a thread."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.training.data.prefetcher import Prefetcher  # noqa: E402


def test_a_failing_sampler_fails_the_loop():
    class Broken:
        rng = np.random.default_rng(0)

        def draw(self, count, input_size, shares):
            raise RuntimeError("no data")

    prefetcher = Prefetcher(Broken())
    with pytest.raises(RuntimeError, match="no data"):
        next(prefetcher.batches(1, Size(8, 8), (1.0,)))
    prefetcher.close()


class Numbers:
    """Batches of random numbers, each of which takes a while."""

    def __init__(self, seconds):
        self.rng, self._seconds = np.random.default_rng(0), seconds

    def draw(self, count, input_size, shares):
        time.sleep(self._seconds)
        return self.rng.random(count).tolist()


@pytest.mark.parametrize(("making", "using"), [(0.0, 0.03), (0.02, 0.0)])
def test_what_is_drawn_behind_a_switch_does_not_depend_on_who_is_quicker(making, using):
    prefetcher = Prefetcher(Numbers(making))
    found = []
    for count, taken in ((4, 1), (2, 3), (4, 3)):  # an example, and two phases
        batches = prefetcher.batches(count, Size(8, 8), (1.0,))
        for _ in range(taken):
            found += next(batches)
            time.sleep(using)
    prefetcher.close()
    assert found == np.random.default_rng(0).random(22).tolist()
