"""Image to person boxes: placing it in the input, network, decoding, non-maximum suppression."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.backends.session import Session
from litepose_edge.boxes import (
    decode_decoded,
    decode_fastestdet,
    decode_gfl,
    decode_levels,
    decode_rtmdet,
    decode_yolox,
)
from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import DetectorSpec, Manifest
from litepose_edge.preprocess import Image, Normalizer, warp
from litepose_edge.styles import (
    DecodedStyle,
    FastestdetStyle,
    GflStyle,
    RtmdetStyle,
    YoloxStyle,
)

# Suppression compares each box with each: a threshold of 0 would hand it every cell.
MAX_CANDIDATES = 1000
ROUNDING = 1e-3


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
        ManifestError: The model is no detector.
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

        Raises:
            ManifestError: The network's outputs are not what the manifest says.
        """
        size = Size.of(image)
        to_input = _placement_affine(size, self._input.size, self._spec.placement)
        normalizer = self._normalizer()
        crop = warp(image, to_input, self._input.size, fill=self._spec.fill, out=normalizer.crop)
        outputs = self._session.run(normalizer(crop))
        boxes, scores = _best(*self._decode(outputs, min_score))
        kept = geometry.nms(boxes, scores, self._spec.max_iou)
        corners = geometry.transform(geometry.invert(to_input), boxes[kept].reshape(-1, 2))
        edges = np.array([size.width, size.height], np.float64)
        clipped = corners.clip(-0.5, edges - 0.5).reshape(-1, 4).astype(np.float32)
        visible = geometry.box_area(clipped) > 0
        return clipped[visible], scores[kept][visible]

    def _decode(
        self, outputs: dict[str, NDArray[Any]], min_score: float
    ) -> tuple[Float32, Float32]:
        """Boxes `(N, 4)` in input pixels and scores `(N,)`, overlapping as they are."""
        spec, size = self._spec, self._input.size
        try:
            named = {name: outputs[name] for name in spec.outputs}
        except KeyError as exc:
            raise ManifestError(f"the detector has no output {exc}") from exc
        arrays, strides, person = list(named.values()), spec.strides, spec.person
        match spec.style:
            case "persondet":
                return decode_levels(arrays, strides, min_score)
            case YoloxStyle() as style:
                return decode_yolox(
                    arrays[0], size, strides, style, person=person, min_score=min_score
                )
            case GflStyle() as style:
                return decode_gfl(arrays, size, strides, style, person=person, min_score=min_score)
            case RtmdetStyle() as style:
                return decode_rtmdet(
                    arrays, size, strides, style, person=person, min_score=min_score
                )
            case FastestdetStyle():
                return decode_fastestdet(
                    arrays[0], size, strides, person=person, min_score=min_score
                )
            case DecodedStyle() as style:
                return decode_decoded(named, size, style, person=person, min_score=min_score)

    def _normalizer(self) -> Normalizer:
        """This thread's buffers."""
        normalizer: Normalizer | None = getattr(self._local, "normalizer", None)
        if normalizer is None:
            normalizer = self._local.normalizer = Normalizer(self._input)
        return normalizer


def _placement_affine(image_size: Size, input_size: Size, placement: str) -> Float64:
    """`(2, 3)` map from image to input pixels: the edges of one onto edges of the other."""
    if placement == "centre":
        return geometry.letterbox_affine(image_size, input_size)
    image = np.array([image_size.width, image_size.height], np.float64)
    scale = np.array([input_size.width, input_size.height], np.float64) / image
    if placement == "corner":
        scale[:] = scale.min()
    return np.concatenate([np.diag(scale), (scale[:, None] - 1) / 2], axis=1)


def _best(boxes: Float32, scores: Float32) -> tuple[Float32, Float32]:
    """Finite boxes, the most promising ones only, scores in `[0, 1]`.

    Raises:
        ManifestError: Scores are beyond 1.
    """
    highest = float(scores.max(initial=0))
    if highest > 1 + ROUNDING:
        raise ManifestError(
            f"the detector scores a box {highest:.3g}, beyond 1: its style or `activation` in the "
            "manifest is not the network's"
        )
    finite = np.isfinite(boxes).all(axis=1)
    if not finite.all():
        boxes, scores = boxes[finite], scores[finite]
    if len(scores) > MAX_CANDIDATES:
        best = np.argpartition(-scores, MAX_CANDIDATES)[:MAX_CANDIDATES]
        boxes, scores = boxes[best], scores[best]
    return boxes, np.clip(scores, 0, 1).astype(np.float32, copy=False)
