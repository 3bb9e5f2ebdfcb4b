"""A network runs once for each photograph, however many thresholds are tried."""

from __future__ import annotations

import numpy as np

from benchmarks.analysis.grouping_thresholds import CachingSession
from litepose_edge.testing import FakeSession


def test_a_photograph_is_run_once():
    network = FakeSession(lambda batch: {"maps": batch + 1})
    session = CachingSession(network)
    batch = np.zeros((1, 3, 2, 2), np.float32)
    for photograph in (0, 1, 0):
        session.photograph = photograph
        np.testing.assert_array_equal(session.run(batch + photograph)["maps"], photograph + 1)
    assert len(network.batches) == 2
