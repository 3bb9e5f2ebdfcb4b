"""The service over long use: what is left over, and connections that fail, are seen."""

from __future__ import annotations

import pytest

pytest.importorskip("httpx")
pytest.importorskip("websockets")

from benchmarks.serve import soak
from benchmarks.serve.soak import Use


def uses(last):
    """Use every second: little at the first moment, more once everybody is served, then `last`."""
    return [Use(0, 100.0, 20, 5), *(Use(s, 120.0, 30, 12) for s in range(1, 99)), last]


@pytest.mark.parametrize(
    ("last", "good"),
    [
        (Use(99, 120.0, 24, 12), True),
        (Use(99, 120.0, 20, 5), True),
        (Use(99, 120.0, 25, 12), False),
        (Use(99, 120.0, 24, 13), False),
    ],
)
def test_no_descriptor_and_no_thread_is_left_over(last, good):
    assert soak.report(uses(last), 0.0) is good


@pytest.mark.parametrize(("grown_mb", "good"), [(5.0, True), (5.1, False)])
def test_memory_may_grow_by_5_mb(grown_mb, good):
    early = [Use(s, 100.0, 20, 5) for s in range(50)]
    late = [Use(s, 100.0 + grown_mb, 20, 5) for s in range(50, 100)]
    assert soak.report(early + late, 0.0) is good


@pytest.mark.parametrize(("failed", "good"), [(0.01, True), (0.011, False), (1.0, False)])
def test_a_run_whose_connections_fail_shows_nothing(failed, good):
    assert soak.report(uses(Use(99, 120.0, 20, 5)), failed) is good
