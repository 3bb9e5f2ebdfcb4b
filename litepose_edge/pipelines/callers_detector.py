"""A function of the caller's from a frame to boxes, as a detector that may err."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import InvalidBoxError
from litepose_edge.geometry import Float32, Size
from litepose_edge.preprocess import Image, as_numbers

ROUNDING = 1e-3


class CallersDetector:
    """Runs the function and mends what it gives; safe to call from several threads.

    Boxes are clipped to the frame; those that are not finite, empty or outside are dropped and
    counted: detectors pad, round and predict boxes beyond the edges of a frame.

    Args:
        detect: From a `(H, W, 3)` uint8 BGR frame to `(P, 4)` xyxy boxes, or to such boxes and
            `(P,)` scores in `[0, 1]`; arrays, lists or tensors.
    """

    def __init__(self, detect: Callable[[Image], Any]) -> None:
        self._detect = detect
        self._dropped, self._lock = 0, threading.Lock()

    @property
    def dropped(self) -> int:
        """How many boxes were dropped so far."""
        return self._dropped

    def __call__(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Boxes `(P, 4)` within the image and scores `(P,)`, best first.

        Without scores the boxes stay in the order they were given in, each of score 1: the
        function has thresholds of its own.

        Raises:
            InvalidBoxError: These are no boxes, or not as many scores, or scores beyond [0, 1].
        """
        boxes, scores = _boxes_and_scores(self._detect(image))
        sound = np.isfinite(boxes).all(axis=1)
        if scores is not None:
            sound &= np.isfinite(scores)
        size = Size.of(image)
        with np.errstate(invalid="ignore", over="ignore"):
            clipped = _clipped(boxes, size)
            sound &= (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
        self._count(int(len(boxes) - sound.sum()))
        clipped = clipped[sound]
        if scores is None:
            return clipped, np.ones(len(clipped), np.float32)
        scores = _checked_scores(scores[sound])
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= min_score]
        return clipped[order], scores[order]

    def close(self) -> None:
        """There is nothing to free."""

    def _count(self, dropped: int) -> None:
        if not dropped:
            return
        with self._lock:
            first, self._dropped = self._dropped == 0, self._dropped + dropped
        if first:
            import logging  # 3 ms, for those who need it

            logging.getLogger(__name__).warning(
                "the detector function gave boxes that are empty, not finite or outside the frame; "
                "they are dropped and counted (Estimator.dropped_boxes)"
            )


def _boxes_and_scores(given: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """`(P, 4)` float64 boxes, and `(P,)` scores where there are any."""
    try:
        if isinstance(given, tuple | list) and len(given) == 2:
            first = as_numbers(given[0])
            if first.ndim == 2 or first.size == 0:
                scores = as_numbers(given[1])
                boxes = _table(first)
                if scores.size != len(boxes):
                    raise InvalidBoxError(f"expected {len(boxes)} scores, got {scores.shape}")
                return boxes, scores.reshape(-1)
        return _table(as_numbers(given)), None
    except InvalidBoxError as exc:
        raise InvalidBoxError(f"from the detector function: {exc}") from exc


def _table(boxes: NDArray[Any]) -> NDArray[Any]:
    if boxes.shape in ((0,), (0, 4)):
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InvalidBoxError(
            f"expected (P, 4) xyxy boxes, or such boxes and (P,) scores, got shape {boxes.shape}"
        )
    return boxes


def _clipped(boxes: NDArray[Any], size: Size) -> Float32:
    """Boxes cut at the frame, whether the caller counts its edges from -0.5 or from 0."""
    clipped: Float32 = boxes.clip(-0.5, [size.width, size.height] * 2).astype(np.float32)
    return clipped


def _checked_scores(scores: NDArray[Any]) -> Float32:
    if len(scores) and not -ROUNDING <= scores.min() <= scores.max() <= 1 + ROUNDING:
        raise InvalidBoxError(
            f"from the detector function: expected scores in [0, 1], got {scores.min():.3g} to "
            f"{scores.max():.3g}"
        )
    return scores.clip(0, 1).astype(np.float32)
