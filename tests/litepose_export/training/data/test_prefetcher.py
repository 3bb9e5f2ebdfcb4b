"""Batches made in a thread."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.training.data.prefetcher import Prefetcher  # noqa: E402


def test_a_failing_sampler_fails_the_loop():
    class Broken:
        def draw(self, count, input_size, shares):
            raise RuntimeError("no data")

    prefetcher = Prefetcher(Broken())
    with pytest.raises(RuntimeError, match="no data"):
        next(prefetcher.batches(1, Size(8, 8), (1.0,)))
    prefetcher.close()
