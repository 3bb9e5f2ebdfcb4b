"""Predicting, matching, updating and boxes of tracks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from litepose_edge.tracking import tracks
from litepose_edge.tracking.tracks import Observation, Track


def person_at(x: float, y: float, height: float = 160.0) -> np.ndarray:
    """`(17, 2)` standing figure whose middle is at (x, y)."""
    rng = np.random.default_rng(3)
    shape = np.column_stack([rng.uniform(-0.2, 0.2, 17), np.linspace(-0.45, 0.45, 17)])
    return (shape * height + [x, y]).astype(np.float32)


def track_at(x: float, y: float, velocity=(0.0, 0.0)) -> Track:
    keypoints = person_at(x, y)
    box = np.array([x - 40, y - 90, x + 40, y + 90], np.float32)
    ones = np.ones(17, np.float32)
    return Track(1, keypoints, ones, box, 0.7, 0.8, np.array(velocity, np.float64), seen_s=1.0)


def observed(keypoints, scores, box) -> Observation:
    return Observation(keypoints, scores, box, box_score=0.7, confidence=0.8)


@given(st.floats(0, 0.5), st.floats(-100, 100), st.floats(-100, 100))
@settings(max_examples=40, deadline=None)
def test_a_track_is_predicted_along_its_motion(elapsed, vx, vy):
    track = track_at(300, 300, (vx, vy))
    box, keypoints = tracks.predict(track, 1.0 + elapsed)
    moved = np.array([vx, vy]) * elapsed
    np.testing.assert_allclose(box, track.box + np.tile(moved, 2), atol=1e-2)
    np.testing.assert_allclose(keypoints, track.keypoints + moved, atol=1e-2)


def test_no_track_is_predicted_farther_than_half_its_size():
    track = track_at(300, 300, (5000, 0))
    box, _ = tracks.predict(track, 3.0)
    assert box[0] - track.box[0] == pytest.approx(0.5 * 180)


@given(
    hnp.arrays(
        np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(0, 1)
    ),
    st.floats(0.01, 1),
)
@settings(max_examples=60, deadline=None)
def test_matches_are_one_to_one_and_never_below_the_minimum(similarity, least):
    pairs = tracks.match(similarity, least)
    rows, columns = [r for r, _ in pairs], [c for _, c in pairs]
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    values = [similarity[r, c] for r, c in pairs]
    assert all(v >= least for v in values)
    assert values == sorted(values, reverse=True)
    # No pair is left that could still be matched.
    left = np.delete(np.delete(similarity, rows, axis=0), columns, axis=1)
    assert left.size == 0 or left.max() < least


def test_an_empty_set_has_no_match():
    assert tracks.match(np.zeros((0, 3)), 0.3) == []
    assert tracks.match(np.zeros((2, 0)), 0.3) == []


def test_a_box_settles_around_the_visible_joints():
    keypoints, scores = person_at(300, 300), np.ones(17, np.float32)
    box = np.array([280, 280, 320, 320], np.float32)
    for _ in range(30):
        box = tracks.moved_box(keypoints, scores, box)
    low, high = keypoints.min(axis=0), keypoints.max(axis=0)
    assert (box[:2] < low).all()
    assert (box[2:] > high).all()
    assert box[3] - box[1] < 1.4 * (high - low)[1]


def test_hidden_joints_do_not_pull_at_the_box():
    keypoints, scores = person_at(300, 300), np.ones(17, np.float32)
    box = np.array([250, 200, 350, 400], np.float32)
    stray = keypoints.copy()
    stray[4] = [900, 900]
    hidden = scores.copy()
    hidden[4] = 0.05
    seen = np.arange(17) != 4
    np.testing.assert_allclose(
        tracks.moved_box(stray, hidden, box),
        tracks.moved_box(keypoints[seen], scores[seen], box),
    )


def test_a_person_hardly_seen_keeps_the_box():
    box = np.array([250, 200, 350, 400], np.float32)
    scores = np.zeros(17, np.float32)
    scores[:2] = 0.9
    np.testing.assert_array_equal(tracks.moved_box(person_at(300, 300), scores, box), box)


def test_speed_is_learned_from_observations_and_not_from_double_stamps():
    track = track_at(300, 300)
    for step in range(1, 12):
        x = 300 + 6.0 * step
        box, _ = tracks.predict(track, 1.0 + step / 10)
        track = tracks.update(
            track, observed(person_at(x, 300), track.scores, box), 1.0 + step / 10
        )
    assert track.velocity[0] == pytest.approx(60, rel=0.15)
    assert track.observations == 12
    twice = tracks.update(
        replace(track, velocity=np.zeros(2)),
        observed(person_at(368, 300), track.scores, track.box),
        track.seen_s + 1e-6,
    )
    assert abs(twice.velocity[0]) < 200


def test_confidence_is_an_exponential_mean_of_the_observations():
    track = track_at(300, 300)
    low = replace(observed(track.keypoints, track.scores, track.box), confidence=0.4)
    track = tracks.update(track, low, 1.1)
    assert track.confidence == pytest.approx(0.6)
    assert tracks.update(track, low, 1.2).confidence == pytest.approx(0.5)
    assert tracks.initiate(low, 1.3).confidence == 0.4
