"""Runs frames back to back or at a pace, and keeps every one's time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

MIN_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Timing:
    """What a stretch of frames took.

    Attributes:
        frame_ms: One frame each, from its start to its keypoints.
        user_ms: CPU time of the process in user mode, gaps between frames included.
        system_ms: The same in the kernel.
        wall_ms: Of the whole stretch.
        missed: Frames not done when the next one was due; None at full speed.
    """

    frame_ms: list[float]
    user_ms: float
    system_ms: float
    wall_ms: float
    missed: int | None

    @property
    def cpu_ms_per_frame(self) -> float:
        """User and system time of all threads, a frame."""
        return (self.user_ms + self.system_ms) / len(self.frame_ms)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return 1000 * len(self.frame_ms) / self.wall_ms


def back_to_back(frame: Callable[[int], object], seconds: float) -> Timing:
    """As many frames as fit, each begun when the last one is done.

    Args:
        frame: Does the frame of a number.
        seconds: How long; at least `MIN_FRAMES` are done however long they take.
    """
    times: list[float] = []
    clock = _CpuClock()
    began = time.perf_counter_ns()
    until = began + int(seconds * 1e9)
    started = began
    while started < until or len(times) < MIN_FRAMES:
        frame(len(times))
        ended = time.perf_counter_ns()
        times.append((ended - started) / 1e6)
        started = ended
    return clock.timing(times, (started - began) / 1e6, None)


def paced(frame: Callable[[int], object], seconds: float, fps: float) -> Timing:
    """Frames at the pace of a camera; late ones are begun at once, none is skipped.

    Args:
        frame: Does the frame of a number.
        seconds: How long.
        fps: Frames a second.
    """
    count = max(MIN_FRAMES, round(seconds * fps))
    times: list[float] = []
    missed = 0
    clock = _CpuClock()
    began = time.perf_counter()
    for number in range(count):
        due = began + number / fps
        _sleep_until(due)
        started = time.perf_counter()
        frame(number)
        ended = time.perf_counter()
        times.append((ended - started) * 1e3)
        missed += ended > due + 1 / fps
    # CPU time between the last frame and the next one's time counts as well, as for the others.
    _sleep_until(began + count / fps)
    return clock.timing(times, (time.perf_counter() - began) * 1e3, missed)


def _sleep_until(due: float) -> None:
    left = due - time.perf_counter()
    if left > 0:
        time.sleep(left)


class _CpuClock:
    """CPU time since it was made."""

    def __init__(self) -> None:
        self._total_s, self._times = time.process_time(), os.times()

    def timing(self, times: list[float], wall_ms: float, missed: int | None) -> Timing:
        """Put together with the CPU time so far."""
        total = time.process_time() - self._total_s
        now = os.times()
        # os.times splits the time but counts in hundredths of a second.
        user, system = now.user - self._times.user, now.system - self._times.system
        part = system / (user + system) if user + system > 0 else 0.0
        return Timing(times, 1e3 * total * (1 - part), 1e3 * total * part, wall_ms, missed)
