"""Who is who from frame to frame: boxes foretold, people matched, tracks born and ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.boxes import box_area
from litepose_edge.geometry import Float32, Float64

SEEN_JOINT = 0.3
MIN_SEEN_JOINTS = 4
# How far a person's box reaches beyond the joints, as parts of their longer extent: medians over
# 2,935 labelled people.
MARGINS = (0.063, 0.129, 0.075, 0.089)
# Part of the way a track's box goes to where its joints say it is.
FOLLOW = 0.6
MOTION_MEMORY_S = 0.04
MAX_STRIDE = 0.5


@dataclass(frozen=True, slots=True)
class Track:
    """One person over time.

    Attributes:
        track_id: Never given twice; None until the person is confirmed.
        keypoints: `(K, 2)` float32, where they were last seen, in pixels.
        scores: `(K,)` float32 of that sight.
        box: `(4,)` float32 xyxy around the person then.
        box_score: The detector's last score for the person.
        velocity: `(2,)` float64 of the visible joints, pixels a second.
        seen_s: When the person was last seen.
        sights: In how many frames.
    """

    track_id: int | None
    keypoints: Float32
    scores: Float32
    box: Float32
    box_score: float
    velocity: Float64
    seen_s: float
    sights: int = 1


def foretell(track: Track, timestamp_s: float) -> tuple[Float32, Float32]:
    """Box `(4,)` and keypoints `(K, 2)` where the track should be by now.

    Motion goes on for at most half the person's size: whoever is out of sight longer than that
    takes is looked for there.
    """
    # Plain floats, and float32 from the start: half the time on so few numbers.
    elapsed = timestamp_s - track.seen_s
    right, down = (speed * elapsed for speed in track.velocity.tolist())
    x1, y1, x2, y2 = track.box.tolist()
    reach, length = MAX_STRIDE * max(x2 - x1, y2 - y1), math.hypot(right, down)
    if length > reach:
        right, down = right * reach / length, down * reach / length
    box = np.array([x1 + right, y1 + down, x2 + right, y2 + down], np.float32)
    return box, track.keypoints + np.array([right, down], np.float32)


def box_of(keypoints: Float32, scores: Float32, otherwise: Float32) -> Float32:
    """The box around a person's visible joints, `(4,)` float32.

    Args:
        keypoints: `(K, 2)` float32.
        scores: `(K,)` float32.
        otherwise: `(4,)` box to keep where too few joints are visible; the result goes only part
            of the way from it, and never shrinks by more than a fifth at once.
    """
    seen = keypoints[scores >= SEEN_JOINT]
    if len(seen) < MIN_SEEN_JOINTS:
        return otherwise
    # Plain floats: NumPy takes twice as long for four numbers.
    low, high, before = seen.min(axis=0).tolist(), seen.max(axis=0).tolist(), otherwise.tolist()
    longer = max(high[0] - low[0], high[1] - low[1])
    edges = [0.0] * 4
    for axis in (0, 1):
        start, end = before[axis], before[axis + 2]
        around = low[axis] - MARGINS[axis] * longer, high[axis] + MARGINS[axis + 2] * longer
        followed = start + FOLLOW * (around[0] - start), end + FOLLOW * (around[1] - end)
        middle = (followed[0] + followed[1]) / 2
        half = max(followed[1] - followed[0], 0.8 * (end - start)) / 2
        edges[axis], edges[axis + 2] = middle - half, middle + half
    return np.array(edges, np.float32)


def seen_again(
    track: Track, keypoints: Float32, scores: Float32, box: Float32, score: float, when_s: float
) -> Track:
    """The track after one more sight.

    Args:
        track: Before it.
        keypoints: `(K, 2)` float32 of the sight.
        scores: `(K,)` float32.
        box: `(4,)` float32, where the person was looked for.
        score: The detector's score, or the remembered one between detections.
        when_s: When.
    """
    elapsed = max(when_s - track.seen_s, 1e-6)
    visible = np.minimum(track.scores, scores) >= SEEN_JOINT
    speed = track.velocity
    if visible.any():
        moved = np.sort(keypoints[visible] - track.keypoints[visible], axis=0)
        speed = moved[len(moved) // 2] / elapsed  # the median, at a fifth of np.median's time
    # Frames close together say little about speed: there, noise is all that moves.
    share = elapsed / (elapsed + MOTION_MEMORY_S)
    return replace(
        track,
        keypoints=keypoints,
        scores=scores,
        box=box_of(keypoints, scores, box),
        box_score=score,
        velocity=track.velocity + share * (speed - track.velocity),
        seen_s=when_s,
        sights=track.sights + 1,
    )


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


def areas(boxes_xyxy: Float32) -> Float32:
    """`(N,)` areas."""
    return box_area(boxes_xyxy).astype(np.float32)
