"""The bottom-up pipeline: a whole image through one network, its maps to people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from litepose_edge import geometry
from litepose_edge.boxes import body_boxes, box_area, clip_boxes
from litepose_edge.decoding import associative, peaks
from litepose_edge.errors import ManifestError, ModelError
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import BottomUpSpec, Manifest
from litepose_edge.pipelines.bottomup_options import USUAL, BottomUpOptions
from litepose_edge.pipelines.outputs import expect_finite, expect_shape, read_outputs
from litepose_edge.pipelines.seam import SessionProvider
from litepose_edge.preprocess import Image, Normalizer, Normalizers, mirror, warp
from litepose_edge.results import Poses

# Beyond, the long side decides the scale: a strip of 10 x 4000 pixels drawn out to a short side
# of 448 would be a network input of 80 million pixels.
MAX_ASPECT = 4
NETWORK = "pose network"


@dataclass(frozen=True, slots=True)
class View:
    """How an image is laid into the network.

    Attributes:
        size: Size of the input.
        to_input: `(2, 3)` float64, image pixels to input pixels.
    """

    size: Size
    to_input: Float64


class BottomUp:
    """A bottom-up network behind a session; safe to call from several threads.

    Args:
        open_session: Opens the network with a number of threads.
        manifest: Its manifest; must describe a bottom-up network.
        threads: CPU threads to use.
        options: Input policy and decoding.
        flip_test: Average with the mirrored image: twice the time.

    Raises:
        ManifestError: The model is not bottom-up.
        ModelError: Several scales are asked of a file of one size.
    """

    def __init__(
        self,
        open_session: SessionProvider,
        manifest: Manifest,
        threads: int,
        options: BottomUpOptions = USUAL,
        *,
        flip_test: bool = False,
    ) -> None:
        if not isinstance(manifest.model, BottomUpSpec):
            raise ManifestError(f"model '{manifest.name}' is no bottom-up pose network")
        self._input, self._spec = manifest.input, manifest.model
        self._session = open_session(threads)
        self._free_size = self._session.input.has_free_size(
            channels_last=manifest.input.channels_last
        )
        if not self._free_size and tuple(options.scales) != (1.0,):
            raise ModelError(
                f"model '{manifest.name}' takes {manifest.input.width}x{manifest.input.height} "
                "images only; for several scales export it with --dynamic-size"
            )
        self._options, self._flip_test = options, flip_test
        # Tags come from the scale nearest to the network's own, the others add heat to its.
        self._scales = sorted(options.scales, key=lambda scale: abs(math.log(scale)))
        self._normalizers = Normalizers(self._input)

    def __call__(self, image: Image, min_score: float = 0.0) -> Poses:
        """The people in the image, the best first.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            min_score: Nothing is left out here: a person's score is known last.

        Returns:
            People in image pixels. A keypoint that was not found has score 0 and lies in the
            middle of the person's others; a person's score is the mean over all keypoints.

        Raises:
            ManifestError: The network's outputs are not what the manifest says.
        """
        size = Size.of(image)
        views = [self._view(size, scale) for scale in self._scales]
        heat, tags = self._maps(image, views[0])
        if len(views) > 1:
            stride = _stride(views[0], heat)
            for view in views[1:]:
                other, _ = self._maps(image, view)
                heat += _moved(other, view, _stride(view, other), heat, views[0], stride)
            heat /= len(views)
        if self._options.nms_at == "input":
            heat = peaks.resize_maps(heat, views[0].size)
        people = associative.find_people(
            heat,
            tags,
            self._spec,
            adjust=self._options.adjust,
            refine=self._options.refine,
        )
        # The published alignment: a cell holds what lies from its left edge to its right one.
        points = (people.cells.astype(np.float64) + 0.5) * _stride(views[0], heat)
        keypoints = geometry.transform(geometry.invert(views[0].to_input), points)
        return self._poses(expect_finite(keypoints, NETWORK), people, size)

    def close(self) -> None:
        """Free the network; closing twice is fine."""
        self._session.close()

    def _view(self, image_size: Size, scale: float) -> View:
        if self._options.resize == "letterbox" or not self._free_size:
            multiple = self._spec.long_side_multiple if scale != 1 else 1
            size = Size(
                _rounded_up(self._input.width * scale, multiple),
                _rounded_up(self._input.height * scale, multiple),
            )
            return View(size, geometry.letterbox_affine(image_size, size))
        short = min(self._input.width, self._input.height) * scale
        return published_view(image_size, short, self._spec.long_side_multiple)

    def _maps(self, image: Image, view: View) -> tuple[Float32, Float32]:
        """Heat `(K, H, W)`, which is the caller's own, and tags `(L, K, h, w)`."""
        normalizer = self._normalizers(view.size)
        crop = warp(image, view.to_input, view.size, out=normalizer.crop)
        coarse, fine = self._run(normalizer, crop)
        joints = len(self._spec.skeleton)
        heat, tags = peaks.average_heatmaps(coarse[:joints], fine), coarse[None, joints:]
        if not self._flip_test:
            return heat, tags
        coarse, fine = self._run(normalizer, mirror(crop))
        flip = list(self._spec.skeleton.flip_permutation)
        mirrored = peaks.average_heatmaps(coarse[:joints], fine)
        heat += mirrored[flip, :, ::-1]
        heat *= 0.5
        return heat, np.concatenate([tags, coarse[None, joints:][:, flip, :, ::-1]])

    def _run(self, normalizer: Normalizer, crop: Image) -> tuple[Float32, Float32]:
        """The two outputs for one image: `(2K, h, w)` and `(K, H, W)`."""
        names = (self._spec.coarse, self._spec.fine)
        outputs = read_outputs(self._session.run(normalizer(crop)), names, NETWORK)
        for name, values, maps in zip(names, outputs, (2, 1), strict=True):
            expected = maps * len(self._spec.skeleton)
            what = f"the manifest says {expected} maps"
            expect_shape(values, (1, expected, None, None), name, NETWORK, what)
        return outputs[0][0], outputs[1][0]

    def _poses(self, keypoints: Float32, people: associative.People, size: Size) -> Poses:
        scores = people.values.clip(0, 1)
        boxes = clip_boxes(body_boxes(keypoints, scores > 0), size).astype(np.float32)
        # Keypoints in the border around a letterboxed image alone are no person.
        visible = box_area(boxes) > 0
        return Poses(
            keypoints=keypoints[visible],
            scores=scores[visible],
            boxes_xyxy=boxes[visible],
            person_scores=people.scores.clip(0, 1)[visible],
            skeleton=self._spec.skeleton,
            image_size=size,
            min_keypoint_score=self._spec.min_keypoint_score,
        )


def published_view(image_size: Size, short_side: float, multiple: int) -> View:
    """LitePose's own way to lay an image into the network.

    The short side becomes `short_side` and the long side what keeps the aspect ratio, both
    rounded up to the multiple; the short side is filled, the rest of the long side is border.
    """
    width, height = image_size.width, image_size.height
    short = _rounded_up(short_side, multiple)
    scale = short / min(width, height)
    long = _rounded_up(max(width, height) * scale, multiple)
    if long > MAX_ASPECT * short:
        long = MAX_ASPECT * short
        scale = long / max(width, height)
    size = Size(long, short) if width >= height else Size(short, long)
    # The published anchor: middles rounded to whole pixels.
    middle = np.array([int(width / 2 + 0.5), int(height / 2 + 0.5)], np.float64)
    shift = np.array([size.width, size.height]) / 2 - scale * middle
    return View(size, np.column_stack([np.eye(2) * scale, shift]))


def _rounded_up(pixels: float, multiple: int) -> int:
    """The published rounding: up to the multiple, except for less than a pixel."""
    return int(pixels + multiple - 1) // multiple * multiple


def _stride(view: View, maps: Float32) -> Float64:
    """`(2,)` input pixels a cell, across and down."""
    return np.array([view.size.width / maps.shape[2], view.size.height / maps.shape[1]])


def _moved(
    maps: Float32, view: View, stride: Float64, target: Float32, onto: View, onto_stride: Float64
) -> Float32:
    """Maps of one view resampled to the cells that another view's maps have."""
    from_cells = np.column_stack([np.diag(onto_stride), onto_stride / 2])
    to_cells = np.column_stack([np.diag(1 / stride), [-0.5, -0.5]])
    between = geometry.compose(view.to_input, geometry.invert(onto.to_input))
    affine = geometry.compose(to_cells, geometry.compose(between, from_cells))
    moved = np.empty_like(target)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for source, place in zip(maps, moved, strict=True):
        size = (target.shape[2], target.shape[1])
        cv2.warpAffine(source, affine, size, dst=place, flags=flags)
    return moved
