"""The noise floor: when a difference is called one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from litepose_edge.measure.bench.report.noise import compare, noise_floor


@pytest.mark.parametrize("repeats", [3, 5, 10])
@pytest.mark.parametrize("noise", ["normal", "laplace", "lognormal"])
def test_equal_configurations_differ_by_less_than_the_floor_nine_times_in_ten(repeats, noise):
    rng = np.random.default_rng(repeats)
    below = 0
    tries = 400
    for _ in range(tries):
        errors = getattr(rng, noise)(0, 0.05, (4, repeats))
        first, again, one, other = 5 * np.exp(errors if noise != "lognormal" else errors - 1)
        floor = noise_floor(first, again)
        difference = math.expm1(abs(np.log(one).mean() - np.log(other).mean()))
        below += difference < floor.relative
    assert below >= 0.9 * tries


def test_equal_configurations_are_rarely_called_different():
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(500):
        first, again, other = 5 * np.exp(rng.normal(0, 0.03, (3, 5)))
        wrong += compare(first, other, noise_floor(first, again)).verdict != "no difference"
    assert wrong <= 25


def test_a_real_difference_is_called_by_its_name():
    rng = np.random.default_rng(2)
    first, again, half = np.exp(rng.normal(0, 0.01, (3, 5)))
    floor = noise_floor(first, again)
    assert compare(first, half / 2, floor).verdict == "faster"
    assert compare(first, half / 2, floor).ratio == pytest.approx(0.5, rel=0.03)
    assert compare(first, half * 2, floor).verdict == "slower"


def test_a_difference_below_the_floor_is_none_however_steady_the_configurations():
    floor = noise_floor([1.0, 1.0, 1.0], [1.05, 1.05, 1.05])
    assert floor.relative == pytest.approx(0.05, abs=1e-4)
    assert compare([1.0, 1.0], [1.04, 1.04], floor).verdict == "no difference"
    assert compare([1.0, 1.0], [1.06, 1.06], floor).verdict == "slower"


def test_an_unsteady_configuration_is_compared_by_its_own_noise():
    floor = noise_floor([1.0, 1.0001, 1.0], [1.0, 1.0, 1.0001])
    result = compare([1.0, 1.0001, 1.0], [0.8, 1.1, 1.9], floor)
    assert result.verdict == "no difference"
    assert result.threshold > floor.relative
