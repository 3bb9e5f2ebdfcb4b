"""Image to person boxes: letterbox, network, decoding, non-maximum suppression."""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from litepose_edge import geometry
from litepose_edge.backends.session import Session
from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import DetectorSpec, Manifest
from litepose_edge.preprocess import Image, Normalizer, warp

MAX_LOG_DISTANCE = 6.0


class BoxSource(Protocol):
    """Anything that finds people."""

    def __call__(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Boxes `(P, 4)` float32 xyxy in image pixels and scores `(P,)`, best first."""


class PersonDetector:
    """A detector network behind a session; safe to call from several threads.

    Args:
        session: The network.
        manifest: Its contract; must describe a detector.

    Raises:
        ManifestError: The model is no detector, or an output it names is missing.
    """

    def __init__(self, session: Session, manifest: Manifest) -> None:
        if not isinstance(manifest.model, DetectorSpec):
            raise ManifestError(f"model '{manifest.name}' is no detector")
        self._session, self._input = session, manifest.input
        self._spec = manifest.model
        self._local = threading.local()

    def __call__(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Find people.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            min_score: Boxes below are not reported.

        Returns:
            boxes: `(P, 4)` float32 xyxy in image pixels, clipped to the image, best first.
            scores: `(P,)` float32 in `[0, 1]`.
        """
        size = Size.of(image)
        to_input = geometry.letterbox_affine(size, self._input.size)
        normalizer = self._normalizer()
        crop = warp(image, to_input, self._input.size, fill=self._spec.fill, out=normalizer.crop)
        outputs = self._session.run(normalizer(crop))
        levels = [outputs[name] for name in self._spec.outputs]
        boxes, scores = decode_levels(levels, self._spec.strides, min_score)
        kept = geometry.nms(boxes, scores, self._spec.max_iou)
        corners = geometry.transform(geometry.invert(to_input), boxes[kept].reshape(-1, 2))
        edges = np.array([size.width, size.height], np.float64)
        clipped = corners.clip(-0.5, edges - 0.5).reshape(-1, 4).astype(np.float32)
        visible = geometry.box_area(clipped) > 0
        return clipped[visible], scores[kept][visible]

    def _normalizer(self) -> Normalizer:
        """This thread's buffers."""
        normalizer: Normalizer | None = getattr(self._local, "normalizer", None)
        if normalizer is None:
            normalizer = self._local.normalizer = Normalizer(self._input)
        return normalizer


def decode_levels(
    levels: list[Float32], strides: tuple[int, ...], min_score: float
) -> tuple[Float32, Float32]:
    """Boxes of the cells that score high enough.

    Args:
        levels: One `(1, 5, h, w)` float32 a level: logit, then the logarithms of the distances
            to the left, top, right and bottom edge in strides.
        strides: Input pixels a cell of each level.
        min_score: Cells below are skipped.

    Returns:
        boxes: `(N, 4)` float32 xyxy in input pixels.
        scores: `(N,)` float32 in `[0, 1]`.
    """
    least = min(max(min_score, 1e-6), 1 - 1e-6)
    min_logit = np.log(least / (1 - least))
    boxes, scores = [], []
    for level, stride in zip(levels, strides, strict=True):
        y, x = np.nonzero(level[0, 0] >= min_logit)
        values = level[0][:, y, x]
        away = np.exp(np.minimum(values[1:], MAX_LOG_DISTANCE)) * stride
        cx, cy = (x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5
        boxes.append(np.stack([cx - away[0], cy - away[1], cx + away[2], cy + away[3]], axis=1))
        scores.append(1 / (1 + np.exp(-values[0])))
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores).astype(np.float32)
