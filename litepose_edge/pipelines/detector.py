"""Image to person boxes: one or several views, decoding, non-maximum suppression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.boxes import box_area, nms
from litepose_edge.decoding.box_fusion import fuse
from litepose_edge.decoding.detector_heads import (
    decode_decoded,
    decode_fastestdet,
    decode_gfl,
    decode_levels,
    decode_rtmdet,
    decode_yolox,
)
from litepose_edge.errors import ManifestError, ModelError
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import (
    DecodedFormat,
    DetectorSpec,
    FastestdetFormat,
    GflFormat,
    Manifest,
    RtmdetFormat,
    TestTimeView,
    YoloxFormat,
)
from litepose_edge.pipelines.outputs import expect_shape, read_outputs
from litepose_edge.pipelines.seam import SessionProvider
from litepose_edge.preprocess import Image, Normalizers, mirror, warp

# Suppression compares each box with each: a threshold of 0 would hand it every cell.
MAX_CANDIDATES = 1000
ROUNDING = 1e-3
# A box counts in one of several views at this part of the score that their fusion must have.
PER_VIEW_FACTOR = 0.5


class PersonDetector:
    """A detector network behind a session; safe to call from several threads.

    A network of free size sees no more border beside the image than its strides ask for.

    Args:
        open_session: Opens the network with a number of threads.
        manifest: Its manifest; must describe a detector.
        size: Run one view of at most so many pixels a side, whatever the manifest says.

    Raises:
        ManifestError: The model is no detector, or has views of other sizes than its one input.
        ModelError: It has one size and `size` is another, or `size` is no multiple of its strides.
    """

    def __init__(
        self,
        open_session: SessionProvider,
        manifest: Manifest,
        threads: int,
        *,
        size: int | None = None,
    ) -> None:
        if not isinstance(manifest.model, DetectorSpec):
            raise ManifestError(f"model '{manifest.name}' is no detector")
        self._session, self._input = open_session(threads), manifest.input
        self._spec = manifest.model
        self._free_size = self._session.input.has_free_size(channels_last=self._input.channels_last)
        self._multiple = max(self._spec.strides, default=1)
        own = TestTimeView(width=self._input.width, height=self._input.height)
        self._views = self._spec.views or (own,)
        if size is not None:
            if size % self._multiple:
                raise ModelError(
                    f"'{manifest.name}' takes sizes in steps of {self._multiple} pixels, not {size}"
                )
            self._views = (TestTimeView(width=size, height=size),)
        if not self._free_size and any(view.size != self._input.size for view in self._views):
            wrong = ManifestError if size is None else ModelError
            raise wrong(
                f"'{manifest.name}' takes {self._input.width}x{self._input.height} pixels only; "
                "for other sizes export it with --dynamic-size"
            )
        self._normalizers = Normalizers(self._input)

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
        if len(self._views) == 1:
            return self._view(image, self._views[0], min_score)
        found = [self._view(image, view, min_score * PER_VIEW_FACTOR) for view in self._views]
        boxes, scores = fuse(found, self._spec.max_iou, min_score)
        kept = nms(boxes, scores, self._spec.max_iou)
        return boxes[kept], scores[kept]

    def close(self) -> None:
        """Free the network; closing twice is fine."""
        self._session.close()

    def _view(self, image: Image, view: TestTimeView, min_score: float) -> tuple[Float32, Float32]:
        size = Size.of(image)
        input_size = self._fitting(size, view.size)
        to_input = _placement_affine(size, input_size, self._spec.placement)
        normalizer = self._normalizers(input_size)
        crop = warp(image, to_input, input_size, fill=self._spec.fill, out=normalizer.crop)
        if view.mirrored:
            crop = mirror(crop)
        outputs = self._session.run(normalizer(crop))
        boxes, scores = _best(*self._decode(outputs, input_size, min_score))
        if view.mirrored:
            boxes[:, [0, 2]] = input_size.width - 1 - boxes[:, [2, 0]]
        kept = nms(boxes, scores, self._spec.max_iou)
        corners = geometry.transform(geometry.invert(to_input), boxes[kept].reshape(-1, 2))
        edges = np.array([size.width, size.height], np.float64)
        clipped = corners.clip(-0.5, edges - 0.5).reshape(-1, 4).astype(np.float32)
        visible = box_area(clipped) > 0
        return clipped[visible], scores[kept][visible]

    def _fitting(self, image: Size, largest: Size) -> Size:
        """The part of the largest input that an image needs."""
        if not self._free_size or not self._spec.strides or self._spec.placement == "stretch":
            return largest
        scale = min(largest.width / image.width, largest.height / image.height)
        width, height = (
            min(-(-round(side * scale) // self._multiple) * self._multiple, most)
            for side, most in ((image.width, largest.width), (image.height, largest.height))
        )
        return Size(max(width, self._multiple), max(height, self._multiple))

    def _decode(
        self, outputs: dict[str, NDArray[Any]], size: Size, min_score: float
    ) -> tuple[Float32, Float32]:
        """Boxes `(N, 4)` in input pixels and scores `(N,)`, overlapping as they are."""
        spec = self._spec
        decoded = isinstance(spec.output_format, DecodedFormat)
        found = read_outputs(outputs, spec.outputs, "detector", decoded=decoded)
        named = dict(zip(spec.outputs, found, strict=True))
        arrays, strides, person = list(named.values()), spec.strides, spec.person
        match spec.output_format:
            case "persondet":
                for name, level, stride in zip(spec.outputs, arrays, strides, strict=True):
                    cells = -(-size.height // stride), -(-size.width // stride)
                    what = f"the manifest says a level of stride {stride}"
                    expect_shape(level, (1, 5, *cells), name, "detector", what)
                return decode_levels(arrays, strides, min_score)
            case YoloxFormat() as output_format:
                return decode_yolox(
                    arrays[0], size, strides, output_format, person=person, min_score=min_score
                )
            case GflFormat() as output_format:
                return decode_gfl(
                    arrays, size, strides, output_format, person=person, min_score=min_score
                )
            case RtmdetFormat() as output_format:
                return decode_rtmdet(
                    arrays, size, strides, output_format, person=person, min_score=min_score
                )
            case FastestdetFormat():
                return decode_fastestdet(
                    arrays[0], size, strides, person=person, min_score=min_score
                )
            case DecodedFormat() as output_format:
                return decode_decoded(
                    named, size, output_format, person=person, min_score=min_score
                )


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
