"""The front door: finds people in an image and returns their keypoints."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from litepose_edge import backends, oks
from litepose_edge.backends import Backend
from litepose_edge.boxes import holding_keypoints, nms, suppress
from litepose_edge.errors import InvalidImageError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import BottomUpSpec, DetectorSpec, TopDownSpec
from litepose_edge.networks import Detector, Engine, EngineOptions
from litepose_edge.person_filter import belief, least_belief, person_scores
from litepose_edge.pipelines.bottomup_options import USUAL, BottomUpOptions
from litepose_edge.preprocess import Image, check_boxes, check_image
from litepose_edge.results import Poses
from litepose_edge.sources import open_source
from litepose_edge.sources.frames import Source
from litepose_edge.streaming import StreamResult, in_parallel, one_by_one, quick_switching
from litepose_edge.threads import available_threads, worker_pool

if TYPE_CHECKING:
    from litepose_edge.tracking.tracker import Tracker

# Two skeletons this similar are one person boxed twice.
SAME_PERSON = 0.7
# So are those whose boxes overlap by this once they hold the keypoints.
SAME_BOX = 0.6


class Estimator:
    """Finds people and their keypoints in images, on the CPU.

    Safe to share between threads. Not usable after a fork and not picklable: make one per
    process.

    Args:
        model: A bundled pose network or the path of an exported one. `"lrpose-s"`; `"lrpose-m"`:
            more accurate, slower; `"lrpose-n"`: quicker, less accurate (both INT8 alone).
        detector: `"default"`, the path of an exported detector, a function from a BGR frame to
            `(P, 4)` xyxy boxes, or None where `predict` is always given boxes.
        detector_size: Have the detector look once, at the image shrunk to so many pixels on its
            longer side: 224 finds those near by in a third of the time. Unless given it looks
            as its file says, the default one twice: at 224 and, mirrored, at 352.
        backend: `"onnxruntime"`, or `"openvino"` (extra `openvino`).
        precision: `"int8"` or `"fp32"`. With a path it must agree with the file.
        threads: CPU threads to use; all that this process may use unless given.
        min_score: People whose box scores less are not reported, nor are those whose keypoints
            are too doubtful beside it.
        max_people: At most so many people a frame, the best boxes first.
        max_pixels: Larger frames are refused.
        flip_test: True: run each crop mirrored as well and average, in up to twice the time.
            LRPose-s has AP .501 in place of .486 on dev. None: as the file says; LRPose-m does so
            with people it is unsure of, half of those of dev (AP .524; all .531, False: .515).
        bottom_up: Input policy and decoding of a bottom-up network.

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
        detector_size: int | None = None,
        backend: Backend = "onnxruntime",
        precision: str | None = None,
        threads: int | None = None,
        min_score: float = 0.3,
        max_people: int = 20,
        max_pixels: int = 100_000_000,
        flip_test: bool | None = None,
        bottom_up: BottomUpOptions | None = None,
    ) -> None:
        if precision not in (None, "int8", "fp32"):
            raise ValueError(f"precision must be 'int8' or 'fp32', got {precision!r}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must lie in [0, 1], got {min_score}")
        if detector_size is not None:
            if detector is None or callable(detector):
                raise ValueError("detector_size is for a detector that is a model")
            if detector_size < 1:
                raise ValueError(f"detector_size must be at least 1, got {detector_size}")
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
        spec = found.manifest.model
        # The pose network has a say in who is there.
        min_pose_score = spec.min_pose_score if isinstance(spec, TopDownSpec) else 0.0
        self._min_belief = max(least_belief(min_score, min_pose_score), 1e-6)
        if bottom_up is not None and not isinstance(spec, BottomUpSpec):
            raise ValueError(
                f"bottom_up is for bottom-up networks; '{found.manifest.name}' is none"
            )
        self._options = EngineOptions(
            model=found,
            detector=detector,
            backend=backend,
            precision=precision,
            flip_test=flip_test,
            bottom_up=bottom_up or USUAL,
            detector_size=detector_size,
        )
        self._engine = Engine(self._options, self._threads)
        self._shared: Engine | None = None
        assert not isinstance(spec, DetectorSpec)  # the engine has refused detectors
        self._bottomup, self._skeleton = isinstance(spec, BottomUpSpec), spec.skeleton
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
            ValueError: No boxes, and the estimator was made with `detector=None`; or boxes for a
                bottom-up network, which finds everybody itself.
        """
        self._check_usable()
        return self._predict(self._engine, frame, boxes_xyxy)

    def predict_batch(
        self,
        frames: Sequence[NDArray[np.uint8]],
        *,
        boxes_xyxy: Sequence[ArrayLike] | None = None,
    ) -> list[Poses]:
        """`predict` for each frame, several at once; a list in, a list as long out.

        Raises:
            ValueError: There are not as many sets of boxes as frames.
        """
        self._check_usable()
        boxes = [None] * len(frames) if boxes_xyxy is None else list(boxes_xyxy)
        if len(boxes) != len(frames):
            raise ValueError(f"{len(frames)} frames but {len(boxes)} sets of boxes")
        if len(frames) < 2 or self._threads == 1:
            return [self._predict(self._engine, *job) for job in zip(frames, boxes, strict=True)]
        # Workers of one thread each: faster than all threads inside one network at a time.
        engine = self._shared_engine()
        with quick_switching, worker_pool(self._threads, "frames") as pool:
            return list(pool.map(lambda f, b: self._predict(engine, f, b), frames, boxes))

    def stream(
        self,
        source: Source,
        *,
        detect_every: int | None = None,
        smooth: bool = True,
    ) -> Iterator[StreamResult]:
        """The people of every frame of a video, camera, URL, folder or iterable, in order.

        Frames are decoded ahead in a thread of their own. A camera or URL never waits: frames
        that come faster than they can be treated are dropped, the oldest first.

        Args:
            source: An image, folder, glob pattern or video file; a camera's number; an RTSP or
                HTTP URL; an iterable of paths and `(H, W, 3)` uint8 BGR arrays.
            detect_every: Follow people from frame to frame, with ids, and run the detector on
                every so many frames only. None treats each frame for itself, several at once.
            smooth: Smooth the keypoints of people who are followed.

        Yields:
            Frame, poses, index and time of each frame.

        Raises:
            SourceError: There is no such source, or it breaks off; results before it stand.
        """
        self._check_usable()
        opened = open_source(source, max_pixels=self._max_pixels)
        if detect_every is None:
            engine = self._shared_engine() if self._threads > 1 else self._engine
            return in_parallel(
                opened, lambda frame: self._predict(engine, frame.image, None), self._threads
            )
        tracker = self.tracker(detect_every=detect_every, smooth=smooth)
        return one_by_one(
            opened, lambda frame: tracker.update(frame.image, timestamp_s=frame.timestamp_s)
        )

    def tracker(
        self, *, detect_every: int = 10, smooth: bool = True, max_missing_s: float = 1.0
    ) -> Tracker:
        """Somebody who follows the people of one camera; make one for each camera.

        Args:
            detect_every: Run the detector on every so many frames; in between, people are looked
                for where they should be by then. It also runs when somebody is lost and when the
                scene changes.
            smooth: Smooth the keypoints over time (One-Euro filter).
            max_missing_s: Whoever is not seen for longer gets a new id when seen again.

        Raises:
            ValueError: An option is out of range, or there is no detector.
        """
        from litepose_edge.tracking.tracker import Tracker, TrackerOptions  # 10 ms, for videos only

        self._check_usable()
        if detect_every < 1:
            raise ValueError(f"detect_every must be at least 1, got {detect_every}")
        if max_missing_s < 0:
            raise ValueError(f"max_missing_s must not be negative, got {max_missing_s}")
        if self._bottomup:
            raise ValueError("people are followed by a top-down network; this one is bottom-up")
        if self._options.detector is None:
            raise ValueError("a tracker needs a detector: make the Estimator one")
        options = TrackerOptions(
            detect_every=detect_every,
            smooth=smooth,
            max_missing_s=max_missing_s,
            min_score=self._min_score,
            min_belief=self._min_belief,
            max_people=self._max_people,
        )
        return Tracker(self._engine.find, self._engine.pose, self._skeleton, options)

    def close(self) -> None:
        """Free the networks; closing twice is fine."""
        self._closed = True
        self._engine.close()
        if self._shared is not None:
            self._shared.close()

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

    def _predict(
        self, engine: Engine, frame: NDArray[np.uint8], boxes_xyxy: ArrayLike | None
    ) -> Poses:
        image = check_image(frame)
        size = Size.of(image)
        if size.width * size.height > self._max_pixels:
            raise InvalidImageError(
                f"the {size.width}x{size.height} frame has more than {self._max_pixels} pixels "
                "(max_pixels)"
            )
        if engine.everybody is not None:
            if boxes_xyxy is not None:
                raise ValueError("a bottom-up network finds everybody itself: give no boxes_xyxy")
            poses = engine.everybody(image)
            return poses[poses.person_scores >= self._min_score][: self._max_people]
        if boxes_xyxy is not None:
            boxes = check_boxes(boxes_xyxy, size)
            return self._pose(engine, image, boxes)
        boxes, scores = engine.find(image, self._min_score)
        boxes, scores = boxes[: self._max_people], scores[: self._max_people]
        return self._believable(self._pose(engine, image, boxes, scores), scores)

    def _pose(
        self, engine: Engine, image: Image, boxes: Float32, found: Float32 | None = None
    ) -> Poses:
        """The person in each box, given or found with such scores."""
        keypoints, scores = engine.pose(image, boxes, found=found is not None)
        box_scores = np.ones(len(boxes), np.float32) if found is None else found
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
        believed = belief(box_scores, poses.scores) >= self._min_belief
        poses = poses[believed & (poses.person_scores > 0)]
        similarity = oks.keypoint_similarity(
            poses.keypoints, poses.scores, poses.boxes_xyxy, np.array(self._skeleton.oks_sigmas)
        )
        poses = poses[suppress(similarity, poses.person_scores, SAME_PERSON)]
        if callable(self._options.detector):
            return poses  # in boxes as they were given
        boxes = holding_keypoints(poses.boxes_xyxy, poses.keypoints, poses.scores, poses.image_size)
        kept = nms(boxes, poses.person_scores, SAME_BOX)
        return replace(poses, boxes_xyxy=boxes)[kept]

    def _shared_engine(self) -> Engine:
        """Networks of one thread each, for several workers at once."""
        with self._lock:
            if self._shared is None:
                self._shared = Engine(self._options, 1)
            return self._shared

    def _check_usable(self) -> None:
        if self._closed:
            raise RuntimeError("the Estimator is closed")
        if os.getpid() != self._process:
            raise RuntimeError("an Estimator does not survive a fork: make one in each process")
