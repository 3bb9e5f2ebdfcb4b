"""The peak of a process's memory is its own."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.budget import startup


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak of a process itself")
def test_the_peak_does_not_count_what_the_parent_holds():
    held = np.ones(200 * 2**20, np.uint8)
    assert 4 < startup.run_to_peak("x = 1") < 100
    assert held.all()


def test_the_peak_counts_what_the_program_held_for_a_while():
    assert startup.run_to_peak("x = bytearray(b'1') * (150 * 2**20); del x") > 150
