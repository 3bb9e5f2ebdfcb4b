"""Benchmarks: statistics, noise, timing, scenes, checksums."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.measure.bench.report.noise import compare, noise_floor
from litepose_edge.measure.bench.runs.digest import checksum, shift
from litepose_edge.measure.bench.runs.figures import QUANTILES, summarize
from litepose_edge.measure.bench.runs.pacing import back_to_back, paced
from litepose_edge.measure.bench.runs.scene import SIZE, draw_scene


@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=200))
def test_percentiles_agree_with_sorting_and_counting(samples):
    summary, ordered = summarize(samples), sorted(samples)
    for percent, value in ((50, summary.p50), (90, summary.p90), (99, summary.p99)):
        place = percent / 100 * (len(ordered) - 1)
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        assert value == pytest.approx(low + (high - low) * (place % 1), abs=1e-4)
    assert summary.count == len(samples)


def test_the_slowest_frame_is_never_cut_off():
    summary = summarize([1.0] * 9999 + [5000.0])
    assert summary.max == 5000.0
    assert summary.mean == pytest.approx(1.4999)
    assert summary.quantiles[-1] == 5000.0
    assert len(summary.quantiles) == len(QUANTILES)


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


def test_back_to_back_frames_are_all_kept():
    numbers = []
    timing = back_to_back(lambda i: (numbers.append(i), time.sleep(0.002)), 0.1)
    assert numbers == list(range(len(timing.frame_ms)))
    assert min(timing.frame_ms) >= 2
    assert sum(timing.frame_ms) == pytest.approx(timing.wall_ms, rel=0.01)
    assert timing.missed is None


def test_slow_frames_are_measured_even_when_the_time_is_over():
    assert len(back_to_back(lambda i: time.sleep(0.005), 0.001).frame_ms) == 10


def test_paced_frames_come_at_the_pace_and_the_last_gap_counts():
    timing = paced(lambda i: time.sleep(0.001), 0.5, 40)
    assert len(timing.frame_ms) == 20
    # The last frame is due after 475 ms; the gap behind it makes 500. A busy machine may be late.
    assert 499 < timing.wall_ms < 1000
    assert timing.fps == pytest.approx(20_000 / timing.wall_ms)


def test_a_frame_longer_than_the_gap_misses_its_deadline_and_delays_the_next():
    def frame(number):
        time.sleep(0.11 if number == 3 else 0)

    timing = paced(frame, 0.4, 25)
    # 110 ms in gaps of 40: the frame itself, and the one due at 40 that starts at 110.
    assert timing.missed >= 2
    assert paced(lambda i: None, 0.4, 25).missed < 5


def test_cpu_time_counts_every_thread_and_no_sleep():
    def burn():
        until = time.thread_time() + 0.005
        while time.thread_time() < until:
            pass

    def frame(number):
        threads = [threading.Thread(target=burn) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    busy = paced(frame, 0.5, 20)
    idle = paced(lambda i: None, 0.5, 20)
    assert 10 <= busy.cpu_ms_per_frame < 20
    assert idle.cpu_ms_per_frame < 3
    assert busy.user_ms + busy.system_ms == pytest.approx(10 * busy.cpu_ms_per_frame)


@given(people=st.integers(1, 30), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_a_scene_has_every_person_inside_the_frame_in_a_place_of_their_own(people, seed):
    image, boxes = draw_scene(people, seed)
    assert image.shape == (SIZE.height, SIZE.width, 3)
    assert boxes.shape == (people, 4)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [SIZE.width, SIZE.height]).all()
    width = np.minimum(boxes[:, None, 2], boxes[None, :, 2]) - np.maximum(
        boxes[:, None, 0], boxes[None, :, 0]
    )
    height = np.minimum(boxes[:, None, 3], boxes[None, :, 3]) - np.maximum(
        boxes[:, None, 1], boxes[None, :, 1]
    )
    overlapping = (width > 0) & (height > 0)
    assert overlapping.sum() == people


def test_the_same_seed_draws_the_same_scene():
    first, second, other = (draw_scene(3, seed)[0] for seed in (5, 5, 6))
    assert (first == second).all()
    assert (first != other).any()


def result_arrays(x, people=1):
    return [(np.full((people, 2, 2), x, np.float32), np.array([[0.9, 0.1]] * people, np.float32))]


def test_the_checksum_changes_with_a_bit():
    near = np.nextafter(np.float32(10), np.float32(11))
    assert checksum(result_arrays(10)) == checksum(result_arrays(10))
    assert checksum(result_arrays(10)) != checksum(result_arrays(near))


def test_the_shift_is_the_distance_of_joints_the_reference_is_sure_of():
    moved = shift(result_arrays(13), result_arrays(10), "base")
    assert (moved.joints, moved.against) == (1, "base")
    assert moved.median_px == pytest.approx(3 * math.sqrt(2), abs=1e-3)


def test_different_people_are_not_compared_and_the_reason_is_given():
    moved = shift(result_arrays(10, people=2), result_arrays(10), "base")
    assert moved.median_px is None
    assert moved.reason == "2 people in a frame where it has 1"


def test_an_empty_scene_has_no_shift():
    empty = [(np.zeros((0, 2, 2), np.float32), np.zeros((0, 2), np.float32))]
    assert "no keypoint" in shift(empty, empty, "base").reason
