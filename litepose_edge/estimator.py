"""The front door: finds people in an image and returns their keypoints."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from litepose_edge import backends, geometry
from litepose_edge.backends import Backend, Model
from litepose_edge.detector import BoxSource, PersonDetector
from litepose_edge.errors import InvalidImageError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import TopDownSpec
from litepose_edge.preprocess import Image, check_boxes, check_image
from litepose_edge.results import Poses, person_scores
from litepose_edge.topdown import TopDown

DEFAULT_DETECTOR = "persondet"
# The pose network has a say in who is there. People whose box score times the square of their
# best keypoints' mean score is below this part of `min_score` are false alarms: chosen where
# scikit-image's ten photographs without people, and 80 crops of each, gave one in all.
VETO_PART = 0.48
COUNTED_JOINTS = 8
# Two skeletons this similar are one person boxed twice.
SAME_PERSON = 0.7
Detector = str | PathLike[str] | Callable[[Image], ArrayLike] | None


class Estimator:
    """Finds people and their keypoints in images, on the CPU.

    Safe to share between threads. Not usable after a fork and not picklable: make one per
    process.

    Args:
        model: A bundled pose network (`"lrpose-s"`) or the path of an exported one.
        detector: `"default"`, the path of an exported detector, a function from a BGR frame to
            `(P, 4)` xyxy boxes, or None where `predict` is always given boxes.
        backend: `"onnxruntime"`, or `"openvino"` (extra `openvino`).
        precision: `"int8"` or `"fp32"`. With a path it must agree with the file.
        threads: CPU threads to use; all that this process may use unless given.
        min_score: People whose box scores less are not reported, nor are those whose keypoints
            are too doubtful beside it.
        max_people: At most so many people a frame, the best boxes first.
        max_pixels: Larger frames are refused.
        flip_test: Run each crop mirrored as well and average: twice the time, a little better.

    Raises:
        ModelError: A model cannot be used; subclasses say why.
        BackendUnavailableError: The backend is not installed.
        ValueError: An option is out of range.
    """

    def __init__(
        self,
        model: str | PathLike[str] = "lrpose-s",
        *,
        detector: Detector = "default",
        backend: Backend = "onnxruntime",
        precision: str | None = None,
        threads: int | None = None,
        min_score: float = 0.3,
        max_people: int = 20,
        max_pixels: int = 100_000_000,
        flip_test: bool = False,
    ) -> None:
        if precision not in (None, "int8", "fp32"):
            raise ValueError(f"precision must be 'int8' or 'fp32', got {precision!r}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must lie in [0, 1], got {min_score}")
        if max_people < 1:
            raise ValueError(f"max_people must be at least 1, got {max_people}")
        self._process = os.getpid()
        self._closed = False
        self._threads = threads if threads is not None else available_threads()
        self._backend: Backend = backend
        self._precision = precision
        self._min_score, self._max_people, self._max_pixels = min_score, max_people, max_pixels
        found = backends.find_model(
            model, precision=precision, backend=backend, threads=self._threads
        )
        self._topdown = TopDown(found.open, found.manifest, self._threads, flip_test=flip_test)
        assert isinstance(found.manifest.model, TopDownSpec)
        self._skeleton = found.manifest.model.skeleton
        self._detector_option = detector
        self._detector: BoxSource | None = None
        self._lock = threading.Lock()

    def predict(self, frame: NDArray[np.uint8], *, boxes_xyxy: ArrayLike | None = None) -> Poses:
        """Find the people in a frame, or the pose in each given box.

        Args:
            frame: `(H, W, 3)` uint8 BGR, as OpenCV reads it.
            boxes_xyxy: `(P, 4)` edges in pixels; then exactly one person per box comes back, in
                the same order. Without it the detector finds the people.

        Raises:
            InvalidImageError: The frame is not such an array, or larger than `max_pixels`.
            InvalidBoxError: A box is not finite, inverted, or wholly outside the frame.
            ValueError: No boxes, and the estimator was made with `detector=None`.
        """
        self._check_usable()
        image = check_image(frame)
        size = Size.of(image)
        if size.width * size.height > self._max_pixels:
            raise InvalidImageError(
                f"the {size.width}x{size.height} frame has more than {self._max_pixels} pixels "
                "(max_pixels)"
            )
        if boxes_xyxy is not None:
            boxes = check_boxes(boxes_xyxy, size)
            return self._pose(image, boxes, np.ones(len(boxes), np.float32))
        boxes, scores = self._find_people()(image, self._min_score)
        poses = self._pose(image, boxes[: self._max_people], scores[: self._max_people])
        return self._believable(poses, scores[: self._max_people])

    def predict_batch(
        self,
        frames: Sequence[NDArray[np.uint8]],
        *,
        boxes_xyxy: Sequence[ArrayLike] | None = None,
    ) -> list[Poses]:
        """`predict` for each frame; a list in, a list of the same length out.

        Raises:
            ValueError: There are not as many sets of boxes as frames.
        """
        if boxes_xyxy is None:
            return [self.predict(frame) for frame in frames]
        return [
            self.predict(frame, boxes_xyxy=boxes)
            for frame, boxes in zip(frames, boxes_xyxy, strict=True)
        ]

    def close(self) -> None:
        """Free the networks; closing twice is fine."""
        self._closed = True
        self._topdown.close()
        self._detector = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("an Estimator cannot be pickled: make one in each process")

    def _pose(self, image: Image, boxes: Float32, box_scores: Float32) -> Poses:
        keypoints, scores = self._topdown(image, boxes)
        return Poses(
            keypoints=keypoints,
            scores=scores,
            boxes_xyxy=boxes.copy(),
            person_scores=person_scores(box_scores, scores),
            skeleton=self._skeleton,
            image_size=Size.of(image),
        )

    def _believable(self, poses: Poses, box_scores: Float32) -> Poses:
        """Drop the detector's false alarms and second boxes of one person."""
        best_joints = np.sort(poses.scores, axis=1)[:, -COUNTED_JOINTS:].mean(axis=1)
        believed = box_scores * best_joints**2 >= max(VETO_PART * self._min_score, 1e-6)
        poses = poses[believed & (poses.person_scores > 0)]
        similarity = geometry.keypoint_similarity(
            poses.keypoints, poses.scores, poses.boxes_xyxy, np.array(self._skeleton.oks_sigmas)
        )
        return poses[geometry.suppress(similarity, poses.person_scores, SAME_PERSON)]

    def _find_people(self) -> BoxSource:
        """The detector, opened on first use: a caller with boxes never pays for it."""
        with self._lock:
            if self._detector is None:
                self._detector = self._open_detector(self._detector_option)
            return self._detector

    def _open_detector(self, detector: Detector) -> BoxSource:
        if detector is None:
            raise ValueError("no detector: give predict() boxes_xyxy, or make the Estimator one")
        if callable(detector):
            return _given_detector(detector)
        if detector == "default":
            # The pose network may be a file of either precision; the detector follows the wish.
            detector = DEFAULT_DETECTOR
            precision = self._precision
        else:
            precision = None
        found: Model = backends.find_model(
            detector, precision=precision, backend=self._backend, threads=self._threads
        )
        return PersonDetector(found.open(self._threads), found.manifest)

    def _check_usable(self) -> None:
        if self._closed:
            raise RuntimeError("the Estimator is closed")
        if os.getpid() != self._process:
            raise RuntimeError("an Estimator does not survive a fork: make one in each process")


def available_threads() -> int:
    """CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _given_detector(detect: Callable[[Image], ArrayLike]) -> BoxSource:
    def find(image: Image, min_score: float) -> tuple[Float32, Float32]:
        del min_score  # the caller's detector has thresholds of its own
        boxes = check_boxes(detect(image), Size.of(image))
        return boxes, np.ones(len(boxes), np.float32)

    return find
