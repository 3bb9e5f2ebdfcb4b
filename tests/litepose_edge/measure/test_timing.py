"""Timing in turns: who runs when, and what is made of the times."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from litepose_edge.measure import timing
from litepose_edge.measure.timing import Job, TurnTimes, time_in_turns


def recorder(log, name):
    return lambda: log.append(name)


def test_jobs_take_turns_each_after_an_untimed_call_of_its_own():
    log = []
    times = time_in_turns({name: recorder(log, name) for name in "ab"}, rounds=2)
    assert "".join(log) == "aabbaabb"
    assert times.rounds == 2


def test_a_job_has_its_own_preparation_and_number_of_calls():
    log = []
    jobs = {
        "a": Job(recorder(log, "a"), prepare=recorder(log, "-"), calls=3),
        "b": Job(recorder(log, "b"), prepare=timing.no_preparation),
    }
    time_in_turns(jobs, rounds=1)
    assert "".join(log) == "-aaab"


def test_warm_up_rounds_leave_no_samples():
    log = []
    job = Job(recorder(log, "a"), prepare=timing.no_preparation)
    assert time_in_turns({"a": job}, rounds=2, warm_up_rounds=3).rounds == 2
    assert len(log) == 5


def test_rounds_go_on_until_the_time_is_up():
    times = time_in_turns({"a": lambda: time.sleep(0.001)}, rounds=2, seconds=0.05)
    assert times.rounds > 2


def test_in_rotation_no_job_is_always_first_or_always_after_the_same_one():
    orders = ["".join(timing.turn_order("abc", number)) for number in range(6)]
    assert orders == ["abc", "bca", "cab", "cba", "acb", "bac"]
    log = []
    jobs = {n: Job(recorder(log, n), prepare=timing.no_preparation) for n in "abc"}
    time_in_turns(jobs, rounds=6, rotate=True)
    assert "".join(log) == "".join(orders)


@pytest.mark.parametrize("count", [3, 5])
def test_over_two_rotations_every_item_is_first_and_follows_several_others(count):
    items = list(range(count))
    orders = [timing.turn_order(items, number) for number in range(2 * count)]
    assert {order[0] for order in orders} == set(items)
    for item in items:
        before = {order[order.index(item) - 1] for order in orders if order[0] != item}
        assert len(before) > 1


def test_samples_stay_with_their_job_when_the_order_rotates():
    jobs = {"slow": lambda: time.sleep(0.003), "quick": lambda: None}
    times = time_in_turns(jobs, rounds=4, rotate=True)
    assert times.wall_ms["slow"].min() >= 3
    assert times.median_ms("quick") < 1


def test_sleep_is_wall_time_and_no_cpu_time():
    times = time_in_turns({"a": lambda: time.sleep(0.02)}, rounds=1)
    assert times.wall_ms["a"][0] >= 20
    assert times.cpu_ms["a"][0] < 10


def test_a_sample_of_several_calls_is_that_of_one():
    _, elapsed = timing.time_call(lambda: time.sleep(0.01), calls=3)
    assert 10 <= elapsed.wall_ms < 30


def test_the_result_is_that_of_the_last_call():
    numbers = itertools.count(1)
    assert timing.time_call(lambda: next(numbers), calls=2)[0] == 3


def test_ratios_of_medians_and_medians_of_ratios_are_two_things():
    times = TurnTimes({"a": np.array([2.0, 2, 8]), "b": np.array([1.0, 4, 2])}, {})
    assert times.ratio_of_medians("a", "b") == 1
    assert times.median_ratio("a", "b") == 2


@pytest.mark.parametrize(("jobs", "rounds"), [({}, 1), ({"a": lambda: None}, 0)])
def test_nothing_to_time_is_refused(jobs, rounds):
    with pytest.raises(ValueError, match="expected jobs and rounds"):
        time_in_turns(jobs, rounds=rounds)
