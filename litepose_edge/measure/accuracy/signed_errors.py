"""Mean signed errors of keypoints: whether a network puts them too far right or too low.

Average precision hides a common shift of a fraction of a cell, for which every joint pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Float64, Size

# Errors are counted in the pixels of such a crop, whatever the network's own size.
CROP, PADDING = Size(192, 256), 1.25
# Farther away it is another joint, or another person's, and says nothing of a shift.
REACH_PX = 10.0


@dataclass(frozen=True, slots=True)
class SignedErrors:
    """Found minus labelled, in pixels of a crop 256 high; x grows right, y down.

    Attributes:
        mean: `(2,)`, over all keypoints.
        standard_error: `(2,)`, of it; people are independent, one person's keypoints are not.
        by_keypoint: `(K, 2)`, the mean of each keypoint; nan where there is none.
        standard_error_by_keypoint: `(K, 2)`.
        counts: `(K,)` int64, keypoints found within `REACH_PX`.
    """

    mean: Float64
    standard_error: Float64
    by_keypoint: Float64
    standard_error_by_keypoint: Float64
    counts: np.ndarray[Any, np.dtype[np.int64]]

    def to_dict(self, keypoint_names: Sequence[str]) -> dict[str, Any]:
        """Figures by name."""
        return {
            "mean": _axes(self.mean),
            "standard error": _axes(self.standard_error),
            "keypoints": {
                name: {
                    "count": int(count),
                    "mean": _axes(mean),
                    "standard error": _axes(error),
                }
                for name, count, mean, error in zip(
                    keypoint_names,
                    self.counts,
                    self.by_keypoint,
                    self.standard_error_by_keypoint,
                    strict=True,
                )
            },
        }


def signed_errors(keypoints: Float32, labels: Float32, boxes_xyxy: Float32) -> SignedErrors:
    """Compare one prediction for each labelled person with the labels.

    Args:
        keypoints: `(P, K, 2)` float32 in pixels.
        labels: `(P, K, 3)` float32 `(x, y, v)`, `v` 0 where not labelled.
        boxes_xyxy: `(P, 4)` float32, the boxes that were cropped.
    """
    scale = geometry.crop_affine(boxes_xyxy, CROP, PADDING)[:, 0, 0]
    errors = (keypoints - labels[..., :2]).astype(np.float64) * scale[:, None, None]
    counted = (labels[..., 2] > 0) & (np.linalg.norm(errors, axis=-1) <= REACH_PX)
    errors[~counted] = 0
    counts = counted.sum(axis=0)
    by_keypoint, by_keypoint_error = _mean(errors, counted[..., None])
    # A person's keypoints as one: their errors go together.
    people, weights = errors.sum(axis=1), counted.sum(axis=1)[:, None]
    mean, error = _mean(people, weights)
    return SignedErrors(mean, error, by_keypoint, by_keypoint_error, counts.astype(np.int64))


def _mean(sums: Float64, weights: np.ndarray[Any, Any]) -> tuple[Float64, Float64]:
    """Sum over people by sum of weights, and the standard error of that ratio."""
    total = weights.sum(axis=0).astype(np.float64)
    total = np.where(total > 0, total, np.nan)
    mean = sums.sum(axis=0) / total
    spread = np.sqrt(((sums - mean * weights) ** 2).sum(axis=0)) / total
    return mean, spread


def _axes(values: Float64) -> dict[str, float]:
    return {"x": float(values[0]), "y": float(values[1])}
