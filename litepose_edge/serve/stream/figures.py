"""Counts what the stream does: frames, people, rate, latency, drops."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

# Of so many frames are quantiles, of so many seconds is the rate.
FRAMES_KEPT, RATE_OVER_S = 300, 3.0
LATENCY_BOUNDS_S = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class Histogram:
    """Counts of durations below each bound, as Prometheus has them.

    Attributes:
        bounds_s: Upper bounds, growing; one more bucket lies above them.
        counts: Of each bucket.
        sum_s: Of all durations.
    """

    bounds_s: tuple[float, ...] = LATENCY_BOUNDS_S
    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures at one moment.

    Attributes:
        fps: Frames a second of the last seconds.
        p50_ms: Median of the time from a frame's coming to its poses; None without frames.
        p95_ms: The 95th percentile of it.
        frames: Frames treated.
        people: In the newest frame.
        age_s: Since the newest frame was done; None where there was none.
    """

    fps: float
    p50_ms: float | None
    p95_ms: float | None
    frames: int
    people: int
    age_s: float | None


class StreamFigures:
    """What has been counted until now; safe to use from several threads.

    Attributes:
        latency: From a frame's coming to its poses.
        viewer_latency: From a frame's coming to a viewer's word that it was seen.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._done: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._frames = self._people = 0
        self.latency, self.viewer_latency = Histogram(), Histogram()

    def frame_done(self, came_s: float, people: int) -> None:
        """Count a frame that came at this moment and has just been treated."""
        now = time.monotonic()
        with self._lock:
            self._frames += 1
            self._people = people
            self._latencies.append(now - came_s)
            self._done.append(now)
            self.latency.add(now - came_s)

    def frame_seen(self, came_s: float) -> None:
        """Count a frame that a viewer has just seen."""
        with self._lock:
            self.viewer_latency.add(time.monotonic() - came_s)

    def stopped(self) -> None:
        """The stream has stopped: the people of its last frame are gone."""
        with self._lock:
            self._people = 0

    def snapshot(self) -> Snapshot:
        """The figures now."""
        now = time.monotonic()
        with self._lock:
            recent = [done for done in self._done if now - done <= RATE_OVER_S]
            span = now - recent[0] if len(recent) > 1 else 0.0
            ordered = sorted(self._latencies)
            return Snapshot(
                fps=(len(recent) - 1) / span if span else 0.0,
                p50_ms=_quantile_ms(ordered, 0.5),
                p95_ms=_quantile_ms(ordered, 0.95),
                frames=self._frames,
                people=self._people,
                age_s=now - self._done[-1] if self._done else None,
            )


def _quantile_ms(ordered: list[float], part: float) -> float | None:
    return 1000 * ordered[round(part * (len(ordered) - 1))] if ordered else None
