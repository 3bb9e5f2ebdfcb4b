"""Frames back to back and at a pace, and their CPU time."""

from __future__ import annotations

import threading
import time

import pytest

from litepose_edge.measure.bench.runs.pacing import back_to_back, paced


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
