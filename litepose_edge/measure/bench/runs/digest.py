"""The keypoints behind a speed: their checksum, and their distance from a reference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from litepose_edge.measure.bench.runs.pipeline import Keypoints

DIGITS = 12
# Keypoints that the reference scores low move about in any precision.
MIN_SCORE = 0.3


@dataclass(frozen=True, slots=True)
class Shift:
    """How far keypoints lie from the reference's.

    Attributes:
        against: Label of the reference configuration.
        joints: How many were compared: those the reference scores above 0.3.
        median_px: Their median distance in pixels of the frame; None where none was compared.
        max_px: The largest.
        reason: Why nothing was compared; None where something was.
    """

    against: str
    joints: int = 0
    median_px: float | None = None
    max_px: float | None = None
    reason: str | None = None


def checksum(results: list[Keypoints]) -> str:
    """Of the exact keypoints and scores of all frames; equal only if every bit is."""
    total = hashlib.sha256()
    for keypoints, scores in results:
        total.update(np.ascontiguousarray(keypoints, np.float32).tobytes())
        total.update(np.ascontiguousarray(scores, np.float32).tobytes())
    return total.hexdigest()[:DIGITS]


def shift(results: list[Keypoints], reference: list[Keypoints], against: str) -> Shift:
    """Distance from the same frames' keypoints of another configuration."""
    if len(results) != len(reference):
        return Shift(against, reason="the frames are not the same")
    distances: list[np.ndarray] = []
    for (keypoints, _), (others, scores) in zip(results, reference, strict=True):
        if keypoints.shape != others.shape:
            return Shift(
                against,
                reason=f"{len(keypoints)} people in a frame where it has {len(others)}",
            )
        distance = np.linalg.norm(keypoints - others, axis=-1)
        distances.append(distance[scores > MIN_SCORE])
    joined = np.concatenate(distances) if distances else np.zeros(0)
    if not len(joined):
        return Shift(against, reason="it scores no keypoint above 0.3")
    return Shift(
        against,
        len(joined),
        round(float(np.median(joined)), 3),
        round(float(joined.max()), 3),
    )
