"""One-Euro smoothing of keypoints."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.tracking.one_euro import OneEuroFilter

STILL = np.random.default_rng(0).uniform(0, 300, (17, 2)).astype(np.float32)


def run(points, times, size_px=200.0, **options):
    smoother = OneEuroFilter(**options)
    return np.stack([smoother.update(p, t, size_px) for p, t in zip(points, times, strict=True)])


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_what_stands_still_stays_where_it_is(steps):
    times = np.cumsum(steps)
    np.testing.assert_allclose(run([STILL] * len(times), times), [STILL] * len(times), atol=1e-3)


def test_noise_at_rest_becomes_less():
    rng = np.random.default_rng(1)
    noisy = [STILL + rng.normal(0, 2, STILL.shape).astype(np.float32) for _ in range(200)]
    smooth = run(noisy, np.arange(200) / 30)
    before = np.abs(np.diff(np.stack(noisy)[50:], axis=0)).mean()
    after = np.abs(np.diff(smooth[50:], axis=0)).mean()
    assert after < 0.35 * before
    assert np.abs(smooth[50:].mean(axis=0) - STILL).max() < 1


def test_fast_motion_is_followed_closely():
    """A person who crosses three times their own size in a second lags by a few percent of it."""
    times = np.arange(60) / 30
    moving = [STILL + np.array([600 * t, 0], np.float32) for t in times]
    lag = np.abs(run(moving, times)[-1] - moving[-1]).max()
    assert lag < 0.05 * 200


def test_the_frame_rate_does_not_matter():
    def wave(t):
        return STILL + np.array([40 * np.sin(2 * t), 0], np.float32)

    ends = [
        run([wave(t) for t in times], times)[-1]
        for times in (np.linspace(0, 4, 4 * fps + 1) for fps in (60, 15))
    ]
    assert np.abs(ends[0] - ends[1]).max() < 2.0


def test_near_and_far_people_are_treated_alike():
    rng = np.random.default_rng(2)
    walk = np.cumsum(rng.normal(0, 3, (40, 17, 2)), axis=0).astype(np.float32)
    times = np.arange(40) / 30
    near = run(walk, times, size_px=200.0)
    far = run(walk / 4, times, size_px=50.0)
    np.testing.assert_allclose(far, near / 4, atol=1e-2)


def test_a_clock_that_stands_still_starts_afresh():
    smoother = OneEuroFilter()
    smoother.update(STILL, 1.0, 100.0)
    np.testing.assert_array_equal(smoother.update(STILL + 50, 1.0, 100.0), STILL + 50)
