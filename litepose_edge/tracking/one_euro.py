"""One-Euro smoothing of a person's keypoints over time."""

from __future__ import annotations

import numpy as np

from litepose_edge.geometry import Float32, Float64


class OneEuroFilter:
    """Steadies keypoints that stand still and follows those that move.

    Casiez et al., CHI 2012: a low-pass filter whose cutoff rises with speed. Speed is counted in
    person sizes a second, so that near and far people are treated alike, and time is real time,
    so that irregular frames are too. One filter a person.

    Args:
        min_cutoff_hz: Cutoff at rest; lower is steadier and lags more.
        beta: Rise of the cutoff, Hz for each person size a second.
        speed_cutoff_hz: Cutoff of the filter on the speed itself.
    """

    def __init__(
        self, min_cutoff_hz: float = 1.7, beta: float = 12.0, speed_cutoff_hz: float = 1.0
    ) -> None:
        self._min_cutoff_hz, self._beta = min_cutoff_hz, beta
        self._speed_cutoff_hz = speed_cutoff_hz
        self._points: Float64 | None = None
        self._velocity: Float64 | None = None
        self._time_s = 0.0

    def update(self, keypoints: Float32, timestamp_s: float, size_px: float) -> Float32:
        """Smooth the next observation.

        Args:
            keypoints: `(K, 2)` float32 in pixels.
            timestamp_s: When it was made; later than the one before.
            size_px: The person's size, such as the longer side of the box.

        Returns:
            `(K, 2)` float32; the first observation comes back as it is.
        """
        points = keypoints.astype(np.float64)
        elapsed = timestamp_s - self._time_s
        if self._points is None or self._velocity is None or elapsed <= 0:
            self._points, self._velocity = points, np.zeros_like(points)
        else:
            velocity = (points - self._points) / (elapsed * max(size_px, 1.0))
            self._velocity = _mix(self._velocity, velocity, self._speed_cutoff_hz, elapsed)
            speed = np.linalg.norm(self._velocity, axis=1, keepdims=True)
            cutoff = self._min_cutoff_hz + self._beta * speed
            self._points = _mix(self._points, points, cutoff, elapsed)
        self._time_s = timestamp_s
        return self._points.astype(np.float32)


def _mix(old: Float64, new: Float64, cutoff_hz: float | Float64, elapsed_s: float) -> Float64:
    """First-order low-pass over a step of any length."""
    rate = 2 * np.pi * cutoff_hz * elapsed_s
    share = rate / (1 + rate)
    mixed: Float64 = old + share * (new - old)
    return mixed
