"""Tracks of people: predicted, matched with observations, updated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.boxes import body_boxes
from litepose_edge.geometry import Float32, Float64
from litepose_edge.person_filter import CONFIDENT_KEYPOINT, MIN_BODY_KEYPOINTS

# Part of the way that a track's box moves to the box of its observed body ...
BOX_GAIN = 0.6
# ... and the least part of its size that it keeps at once.
MIN_BOX_RATIO = 0.8
# Time constant of the velocity's exponential mean.
VELOCITY_MEMORY_S = 0.04
# A prediction moves at most so many times the person's size.
MAX_PREDICTED_MOVE = 0.5
# Part of a new observation in a track's confidence.
CONFIDENCE_GAIN = 0.5


@dataclass(frozen=True, slots=True)
class Track:
    """One person over time.

    Attributes:
        track_id: Never given twice; None until the person is confirmed.
        keypoints: `(K, 2)` float32 of the last observation, in pixels.
        scores: `(K,)` float32 of the last observation.
        box: `(4,)` float32 xyxy around the person then.
        box_score: The detector's last score for the person.
        confidence: Exponential mean of the person confidence over the observations.
        velocity: `(2,)` float64 of the confident keypoints, pixels a second.
        seen_s: Time of the last observation.
        observations: How many there were.
    """

    track_id: int | None
    keypoints: Float32
    scores: Float32
    box: Float32
    box_score: float
    confidence: float
    velocity: Float64
    seen_s: float
    observations: int = 1


@dataclass(frozen=True, slots=True)
class Observation:
    """A person in one frame.

    Attributes:
        keypoints: `(K, 2)` float32 in pixels.
        scores: `(K,)` float32.
        box: `(4,)` float32 xyxy, where the pose network ran.
        box_score: The detector's score, or the track's between detections.
        confidence: In the person.
    """

    keypoints: Float32
    scores: Float32
    box: Float32
    box_score: float
    confidence: float


def predict(track: Track, timestamp_s: float) -> tuple[Float32, Float32]:
    """Box `(4,)` and keypoints `(K, 2)` where the track should be by now.

    The motion goes on for at most half the person's size: a person who is hidden for longer
    than that takes is searched there.
    """
    # Plain floats, and float32 from the start: half the time on so few numbers.
    elapsed = timestamp_s - track.seen_s
    right, down = (speed * elapsed for speed in track.velocity.tolist())
    x1, y1, x2, y2 = track.box.tolist()
    limit, length = MAX_PREDICTED_MOVE * max(x2 - x1, y2 - y1), math.hypot(right, down)
    if length > limit:
        right, down = right * limit / length, down * limit / length
    box = np.array([x1 + right, y1 + down, x2 + right, y2 + down], np.float32)
    return box, track.keypoints + np.array([right, down], np.float32)


def initiate(observation: Observation, timestamp_s: float) -> Track:
    """A track of a new person, without an id."""
    return Track(
        track_id=None,
        keypoints=observation.keypoints,
        scores=observation.scores,
        box=moved_box(observation.keypoints, observation.scores, observation.box),
        box_score=observation.box_score,
        confidence=observation.confidence,
        velocity=np.zeros(2),
        seen_s=timestamp_s,
    )


def update(track: Track, observation: Observation, timestamp_s: float) -> Track:
    """The track after one more observation."""
    elapsed = max(timestamp_s - track.seen_s, 1e-6)
    visible = np.minimum(track.scores, observation.scores) >= CONFIDENT_KEYPOINT
    speed = track.velocity
    if visible.any():
        moved = np.sort(observation.keypoints[visible] - track.keypoints[visible], axis=0)
        speed = moved[len(moved) // 2] / elapsed  # the median, at a fifth of np.median's time
    # Frames close together say little about speed: there, noise is all that moves.
    gain = elapsed / (elapsed + VELOCITY_MEMORY_S)
    change = observation.confidence - track.confidence
    return replace(
        track,
        keypoints=observation.keypoints,
        scores=observation.scores,
        box=moved_box(observation.keypoints, observation.scores, observation.box),
        box_score=observation.box_score,
        confidence=track.confidence + CONFIDENCE_GAIN * change,
        velocity=track.velocity + gain * (speed - track.velocity),
        seen_s=timestamp_s,
        observations=track.observations + 1,
    )


def moved_box(keypoints: Float32, scores: Float32, before: Float32) -> Float32:
    """A track's box after an observation, `(4,)` float32.

    It goes part of the way to the box of the observed body, and never shrinks by more than a fifth
    at once.

    Args:
        keypoints: `(K, 2)` float32.
        scores: `(K,)` float32.
        before: `(4,)` box where the pose network ran; kept where too few keypoints are confident.
    """
    confident = scores >= CONFIDENT_KEYPOINT
    if np.count_nonzero(confident) < MIN_BODY_KEYPOINTS:
        return before
    body = body_boxes(keypoints[None], confident[None])[0].tolist()
    # Plain floats: NumPy takes twice as long for four numbers.
    old = before.tolist()
    edges = [0.0] * 4
    for axis in (0, 1):
        start, end = old[axis], old[axis + 2]
        low = start + BOX_GAIN * (body[axis] - start)
        high = end + BOX_GAIN * (body[axis + 2] - end)
        middle, half = (low + high) / 2, max(high - low, MIN_BOX_RATIO * (end - start)) / 2
        edges[axis], edges[axis + 2] = middle - half, middle + half
    return np.array(edges, np.float32)


def match(similarity: NDArray[Any], least: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns, the most similar first, each row and column at most once.

    Args:
        similarity: `(N, M)`.
        least: Pairs below are no pairs.
    """
    pairs: list[tuple[int, int]] = []
    rows: set[int] = set()
    columns: set[int] = set()
    for flat in np.argsort(-similarity, axis=None, kind="stable"):
        row, column = (int(i) for i in divmod(int(flat), similarity.shape[1]))
        if similarity[row, column] < least:
            break
        if row not in rows and column not in columns:
            pairs.append((row, column))
            rows.add(row)
            columns.add(column)
    return pairs
