"""The one-stage pipeline: a whole image through one network, its table to people."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.boxes import box_area, clip_boxes, nms
from litepose_edge.decoding.one_stage import Candidates, decode_rtmo, decode_yolo_pose
from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Size
from litepose_edge.manifest import Manifest, OneStageSpec, RtmoFormat, YoloPoseFormat
from litepose_edge.pipelines.letterbox import Letterbox
from litepose_edge.pipelines.outputs import expect_finite, read_outputs
from litepose_edge.pipelines.seam import SessionProvider
from litepose_edge.preprocess import Image, Normalizers
from litepose_edge.results import Poses

NETWORK = "pose network"
# No box reaches so far, and the square of it fits float32.
MAX_EDGE = 1e9


class OneStage:
    """A network that finds people with their keypoints; safe to call from several threads.

    Args:
        open_session: Opens the network with a number of threads.
        manifest: Its manifest; must describe a one-stage network.
        threads: CPU threads to use.

    Raises:
        ManifestError: The model is not one-stage.
    """

    def __init__(self, open_session: SessionProvider, manifest: Manifest, threads: int) -> None:
        if not isinstance(manifest.model, OneStageSpec):
            raise ManifestError(f"model '{manifest.name}' is no one-stage pose network")
        self._input, self._spec = manifest.input, manifest.model
        self._session = open_session(threads)
        self._normalizers = Normalizers(self._input)

    def __call__(self, image: Image, min_score: float = 0.0) -> Poses:
        """The people in the image.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            min_score: People whom the network scores lower are left out.

        Returns:
            People in image pixels; `person_scores` is the network's own score (ADR 26).

        Raises:
            ManifestError: The network's outputs are not what the manifest says.
        """
        size = Size.of(image)
        letterbox = Letterbox.fit(size, self._input.size, self._spec.placement)
        normalizer = self._normalizers(self._input.size)
        letterbox.draw(image, self._spec.fill, normalizer.crop)
        outputs = self._session.run(normalizer(normalizer.crop))
        found = decode(outputs, self._spec, self._input.size, min_score)
        return self._poses(found, letterbox, size)

    def close(self) -> None:
        """Free the network; closing twice is fine."""
        self._session.close()

    def _poses(self, found: Candidates, letterbox: Letterbox, size: Size) -> Poses:
        # Edges are counted from the input's corner, pixel centres of an image are integers.
        edges = letterbox.to_image(found.boxes.reshape(-1, 2)) - 0.5
        boxes = clip_boxes(edges.reshape(-1, 4), size).astype(np.float32)
        visible = box_area(boxes) > 0
        # Networks learn keypoints as `x * scale + left` of labels that count pixel centres.
        keypoints = letterbox.to_image(found.keypoints[visible])
        return Poses(
            keypoints=expect_finite(keypoints, NETWORK),
            scores=found.keypoint_scores[visible],
            boxes_xyxy=boxes[visible],
            person_scores=found.scores[visible],
            skeleton=self._spec.skeleton,
            image_size=size,
            min_keypoint_score=self._spec.min_keypoint_score,
        )


def decode(
    outputs: dict[str, NDArray[Any]], spec: OneStageSpec, input_size: Size, min_score: float
) -> Candidates:
    """The people that a network's outputs hold, each once, in pixels of its input.

    Args:
        outputs: What a session gave for one image.
        spec: What they mean.
        input_size: Size of the network's input.
        min_score: People of lower score are left out.

    Raises:
        ManifestError: The outputs are not what the manifest says.
    """
    arrays = read_outputs(outputs, spec.outputs, NETWORK)
    count = len(spec.skeleton)
    match spec.output_format:
        case YoloPoseFormat() as output_format:
            found = _with_area(
                decode_yolo_pose(arrays[0], output_format, count, input_size, min_score)
            )
            if output_format.end_to_end:
                return found
            return found[nms(found.boxes, found.scores, spec.max_iou)]
        case RtmoFormat():
            boxes, points = arrays
            return _with_area(decode_rtmo(boxes, points, count, min_score))


def _with_area(found: Candidates) -> Candidates:
    """Those whose boxes hold something and do not reach beyond all measure."""
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    fit: NDArray[np.bool_] = np.all((low < high) & (low > -MAX_EDGE) & (high < MAX_EDGE), axis=1)
    return found if fit.all() else found[fit]
