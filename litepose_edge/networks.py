"""An estimator's networks at one number of threads, each opened when it is first needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from litepose_edge import backends
from litepose_edge.backends import Backend, Model, Precision, bundled
from litepose_edge.decoding.score_calibration import calibrate
from litepose_edge.errors import InvalidBoxError, UnsupportedModelError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import BottomUpSpec, OneStageSpec, TopDownSpec
from litepose_edge.person_filter import (
    least_pose_scores,
    person_confidence,
    pose_scores,
    with_odds_times,
)
from litepose_edge.pipelines.bottomup_options import USUAL, BottomUpOptions
from litepose_edge.pipelines.callers_detector import CallersDetector
from litepose_edge.pipelines.seam import BoxPipeline, CropPipeline, ImagePipeline
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.preprocess import Image
from litepose_edge.results import Poses

if TYPE_CHECKING:
    from litepose_edge.manifest import ScoreCalibration
    from litepose_edge.results import CropView
    from litepose_edge.skeletons import Skeleton

DEFAULT_DETECTOR = "persondet"
# A flip test raises the odds of hardly anybody by a third (docs/experiments/flip-test.md): detected
# people who have less than this part of the wanted odds before it get none.
FLIP_TEST_ODDS = 0.75
Detector = str | PathLike[str] | Callable[[Image], Any] | None


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Which networks to run, and how.

    Attributes:
        model: The pose network, of any task.
        detector: As the estimator was given it; a function as a `CallersDetector`, whose count all
            networks of the estimator share.
        detector_size: Likewise.
        backend: What runs both.
        precision: Of the default detector.
        flip_test: As the estimator was given it.
        bottom_up: Of a bottom-up network.
    """

    model: Model
    detector: str | PathLike[str] | CallersDetector | None
    backend: Backend
    precision: Precision | None
    flip_test: bool | None
    bottom_up: BottomUpOptions = USUAL
    detector_size: int | None = None


def check_one_stage_options(
    name: str, detector: Detector, detector_size: int | None, flip_test: bool | None
) -> None:
    """Whether the options are of use to a network that finds people with their keypoints.

    Raises:
        UnsupportedModelError: One is not.
    """
    given = {
        "detector": detector is not None and detector != "default",
        "detector_size": detector_size is not None,
        "flip_test": bool(flip_test),
    }
    for option, is_given in given.items():
        if is_given:
            raise UnsupportedModelError(
                f"'{name}' is a one-stage network: one pass over the image gives people and "
                f"keypoints together; leave `{option}` out"
            )


class Lifetime:
    """Until when an estimator's networks may be used, and in which process."""

    def __init__(self) -> None:
        self._process, self._ended = os.getpid(), False

    @property
    def forked(self) -> bool:
        """Whether this is another process than the one they were opened in."""
        return os.getpid() != self._process

    def end(self) -> None:
        """Nothing may be used from now on."""
        self._ended = True

    def check(self) -> None:
        """Whether they may be used.

        Raises:
            RuntimeError: They are closed, or this is a fork of their process.
        """
        if self._ended:
            raise RuntimeError("the Estimator is closed")
        if self.forked:
            raise RuntimeError("an Estimator does not survive a fork: make one in each process")


class Networks:
    """Detector and pose network, or one that finds people itself; safe for several threads.

    Args:
        options: What to run.
        threads: CPU threads in all. With one thread, several workers can share them.
        lifetime: Of the estimator; nothing is opened or run once it has ended.
    """

    def __init__(self, options: NetworkOptions, threads: int, lifetime: Lifetime) -> None:
        self._options, self._threads, self._lifetime = options, threads, lifetime
        self._crops: CropPipeline | None = None
        self._calibration: ScoreCalibration | None = None
        self._images: ImagePipeline | None = None
        manifest, flip = options.model.manifest, options.flip_test
        if isinstance(manifest.model, BottomUpSpec):
            from litepose_edge.pipelines.bottomup import BottomUp  # others need not load it

            self._images = BottomUp(
                options.model.open, manifest, threads, options.bottom_up, flip_test=bool(flip)
            )
            self.skeleton: Skeleton = manifest.model.skeleton
        elif isinstance(manifest.model, OneStageSpec):
            from litepose_edge.pipelines.onestage import OneStage  # likewise

            self._images = OneStage(options.model.open, manifest, threads)
            self.skeleton = manifest.model.skeleton
        else:
            self._crops = TopDown(options.model.open, manifest, threads, flip_test=flip)
            assert isinstance(manifest.model, TopDownSpec)  # TopDown has refused others
            self.skeleton = manifest.model.skeleton
            self._min_pose_score = manifest.model.min_pose_score
            self._calibration = manifest.model.score_calibration
        self.min_keypoint_score = manifest.model.min_keypoint_score
        self._boxes: BoxPipeline | None = None
        self._lock = threading.Lock()

    @property
    def needs_boxes(self) -> bool:
        """Whether people are found by a detector, before the pose network sees them."""
        return self._crops is not None

    def people(self, image: Image, min_score: float, max_boxes: int) -> Poses:
        """All candidates in an image; `person_scores` is the confidence in each.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            min_score: The pose network does not run on detector boxes below; networks that find
                people themselves may leave out whom they score lower.
            max_boxes: At most so many boxes, the best first.

        Raises:
            ValueError: The pose network needs boxes and there is no detector.
        """
        self._lifetime.check()
        if self._images is not None:
            return self._images(image, min_score)
        boxes, box_scores = self.boxes(image, min_score)
        boxes, box_scores = boxes[:max_boxes], box_scores[:max_boxes]
        bound = with_odds_times(min_score, FLIP_TEST_ODDS)
        least_scores = least_pose_scores(box_scores, bound, self._min_pose_score)
        keypoints, scores = self.keypoints(image, boxes, detected=True, least_scores=least_scores)
        return self._poses(image, boxes, keypoints, scores, self.confidence(box_scores, scores))

    def people_in(self, image: Image, boxes_xyxy: Float32) -> Poses:
        """The person in each given box, whose pose score is the confidence.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            boxes_xyxy: `(P, 4)` float32 in image pixels.

        Raises:
            InvalidBoxError: The network finds people by itself.
        """
        if self._crops is None:
            raise InvalidBoxError(
                "this network sees whole images and finds people by itself, bottom-up or in one "
                "stage: give no boxes_xyxy"
            )
        keypoints, scores = self.keypoints(image, boxes_xyxy, detected=False)
        confidence = np.array(pose_scores(scores), np.float32)
        return self._poses(image, boxes_xyxy.copy(), keypoints, scores, confidence)

    def views(self, image: Image, boxes_xyxy: Float32) -> list[CropView]:
        """What the pose network sees of the person in each box `(P, 4)`, and its heat.

        Raises:
            UnsupportedModelError: The network sees whole images, or gives no heat.
        """
        self._lifetime.check()
        if self._crops is None:
            raise UnsupportedModelError(
                "this network sees whole images, no crops: only top-down networks have crop views"
            )
        views = self._crops.views(image, boxes_xyxy)
        return [replace(view, scores=self.reported_scores(view.scores)) for view in views]

    def boxes(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Boxes `(P, 4)` and scores `(P,)`; a caller with boxes never opens the detector.

        Raises:
            ValueError: There is no detector.
        """
        self._lifetime.check()
        with self._lock:
            self._lifetime.check()  # it may have ended while another thread held the lock
            if self._boxes is None:
                self._boxes = self._open_detector()
            find = self._boxes
        return find(image, min_score)

    def keypoints(
        self,
        image: Image,
        boxes_xyxy: Float32,
        *,
        detected: bool,
        least_scores: Float32 | None = None,
    ) -> tuple[Float32, Float32]:
        """Keypoints `(P, K, 2)` and scores `(P, K)` of the person in each box; top-down only.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            boxes_xyxy: `(P, 4)` float32 in image pixels.
            detected: Whether a detector found them, rather than the caller.
            least_scores: `(P,)`, below which a pose gets no flip test.
        """
        self._lifetime.check()
        assert self._crops is not None
        return self._crops(image, boxes_xyxy, detected=detected, least_scores=least_scores)

    def confidence(self, box_scores: Float32, scores: Float32) -> Float32:
        """Confidence `(P,)` in people of such boxes `(P,)` and keypoints `(P, K)`."""
        return person_confidence(box_scores, scores, self._min_pose_score)

    def reported(self, poses: Poses) -> Poses:
        """People as users see them, with their `reported_scores`."""
        if self._calibration is None:
            return poses
        return replace(poses, scores=self.reported_scores(poses.scores))

    def reported_scores(self, scores: Float32) -> Float32:
        """Keypoint scores as users see them: those of decoding, calibrated where a file says how.

        Which people there are, and how confident that is, is told by scores as decoded.
        """
        return calibrate(scores, self._calibration)

    def close(self) -> None:
        """Free the networks for good; closing twice is fine."""
        with self._lock:
            pipelines = (self._crops, self._images, self._boxes)
            self._boxes = None
        for pipeline in pipelines:
            if pipeline is not None:
                pipeline.close()
        self._options.model.close()

    def _poses(
        self, image: Image, boxes: Float32, keypoints: Float32, scores: Float32, people: Float32
    ) -> Poses:
        return Poses(
            keypoints=keypoints,
            scores=scores,
            boxes_xyxy=boxes,
            person_scores=people,
            skeleton=self.skeleton,
            image_size=Size.of(image),
            min_keypoint_score=self.min_keypoint_score,
        )

    def _open_detector(self) -> BoxPipeline:
        detector = self._options.detector
        if detector is None:
            raise ValueError("no detector: give predict() boxes_xyxy, or make the Estimator one")
        if isinstance(detector, CallersDetector):
            return detector
        assert not callable(detector)  # `NetworkOptions` holds functions in one of those
        precision = None
        if detector == "default":
            # The pose network may be a file of either precision; the detector follows the wish.
            detector = DEFAULT_DETECTOR
            precision = bundled.nearest_precision(detector, self._options.precision)
        found = backends.find_model(
            detector, precision=precision, backend=self._options.backend, threads=self._threads
        )
        from litepose_edge.pipelines.detector import PersonDetector  # 9 ms, for who needs it

        size = self._options.detector_size
        return PersonDetector(found.open, found.manifest, self._threads, size=size)
