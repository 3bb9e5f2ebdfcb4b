"""The front door: finds people in an image and returns their keypoints."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from litepose_edge import backends
from litepose_edge.backends import Backend, Precision
from litepose_edge.geometry import Size
from litepose_edge.manifest import BottomUpSpec, OneStageSpec
from litepose_edge.networks import (
    Detector,
    Lifetime,
    NetworkOptions,
    Networks,
    check_one_stage_options,
)
from litepose_edge.options import pixel_limit, real_number, whole_number
from litepose_edge.person_filter import PersonFilter
from litepose_edge.pipelines.bottomup_options import USUAL, BottomUpOptions
from litepose_edge.pipelines.callers_detector import CallersDetector
from litepose_edge.preprocess import Image, check_boxes
from litepose_edge.results import Poses
from litepose_edge.sources import Colour, ImageLike, read_input
from litepose_edge.threads import available_threads, most_threads, worker_pool

if TYPE_CHECKING:
    from typing_extensions import Self

    from litepose_edge.results import CropView
    from litepose_edge.sources.opening import Source
    from litepose_edge.streaming import StreamResult
    from litepose_edge.tracking.tracker import Tracker

DETECTOR_SIZES = (32, 4096)


class Estimator:
    """Finds people and their keypoints in images, on the CPU.

    Safe to share between threads. Not usable after a fork and not picklable: make one per
    process.

    Args:
        model: A bundled pose network or the path of an exported one. `"lrpose-s"`; `"lrpose-m"`:
            more accurate, slower; `"lrpose-n"`: quicker, less accurate (both INT8 alone).
        detector: `"default"`, the path of an exported detector, a function from a BGR frame to
            `(P, 4)` xyxy boxes or to such boxes and their `(P,)` scores, or None where `predict`
            is always given boxes. A function's boxes are clipped to the frame; those that are
            empty, not finite or outside are dropped (`dropped_boxes`). Bottom-up and one-stage
            networks open none, and one-stage networks refuse another than the default.
        detector_size: Run the detector once, on the image shrunk to so many pixels on its longer
            side, 32 to 4096; 224 suits people near by and is the quickest. Unless given, the
            detector runs the views that its file names, the default one two.
        backend: `"onnxruntime"`, or `"openvino"` (extra `openvino`).
        precision: `"int8"` or `"fp32"`. With a path it must agree with the file. The default
            detector follows where it has such a file: not in wheels, which hold it in INT8 alone.
        threads: CPU threads to use, from 1 to four times the machine's CPUs and at most 256; all
            that this process may use unless given.
        min_score: Every person that is found has `person_scores` of at least this: one
            confidence, from box and keypoints.
        max_people: At most so many people a frame, the best boxes first.
        max_pixels: Larger frames are refused, before they are copied or decoded.
        flip_test: True: run each crop mirrored as well and average: more accurate, in up to twice
            the time. False: never. None: as the file says, which may name a pose score below
            which a crop is averaged with its mirror image.
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
        precision: Precision | None = None,
        threads: int | None = None,
        min_score: float = 0.3,
        max_people: int = 20,
        max_pixels: int = 100_000_000,
        flip_test: bool | None = None,
        bottom_up: BottomUpOptions | None = None,
    ) -> None:
        if not isinstance(model, str | PathLike):
            raise ValueError(f"model must be a name or a path, got {model!r:.100}")
        if not (detector is None or callable(detector) or isinstance(detector, str | PathLike)):
            raise ValueError(
                f"detector must be a name, a path, a function or None, got {detector!r:.100}"
            )
        if flip_test is not None and not isinstance(flip_test, bool | np.bool_):
            raise ValueError(f"flip_test must be True, False or None, got {flip_test!r}")
        if threads is not None:
            threads = whole_number("threads", threads, 1, most_threads())
        min_score = real_number("min_score", min_score, 0, 1)
        if detector_size is not None:
            if detector is None or callable(detector):
                raise ValueError("detector_size is for a detector that is a model")
            detector_size = whole_number("detector_size", detector_size, *DETECTOR_SIZES)
        max_people = whole_number("max_people", max_people, 1)
        self._max_pixels = pixel_limit(max_pixels)
        self._lifetime = Lifetime()
        self._threads = threads if threads is not None else available_threads()
        self._backend, self._precision = backend, precision
        self._min_score, self._max_people = min_score, max_people
        found = backends.find_model(
            model, precision=precision, backend=backend, threads=self._threads
        )
        name = found.manifest.name
        if bottom_up is not None and not isinstance(found.manifest.model, BottomUpSpec):
            raise ValueError(f"bottom_up is for bottom-up networks; '{name}' is none")
        one_stage = isinstance(found.manifest.model, OneStageSpec)
        self._filter = PersonFilter(
            min_score, max_people, not callable(detector), suppress_duplicates=not one_stage
        )
        if one_stage:
            check_one_stage_options(name, detector, detector_size, flip_test)
        self._options = NetworkOptions(
            model=found,
            detector=CallersDetector(detector) if callable(detector) else detector,
            backend=backend,
            precision=precision,
            flip_test=flip_test,
            bottom_up=bottom_up or USUAL,
            detector_size=detector_size,
        )
        self._networks = Networks(self._options, self._threads, self._lifetime)
        self._shared: Networks | None = None
        self._lock = threading.Lock()

    def predict(
        self,
        frame: ImageLike,
        *,
        boxes_xyxy: ArrayLike | None = None,
        colour: Colour = "bgr",
    ) -> Poses:
        """Find the people in a frame, or the pose in each given box.

        Args:
            frame: `(H, W, 3)` uint8, as OpenCV reads it; or the path of a picture, its encoded
                bytes, or a PIL image. Files are turned upright, PIL images taken as they are.
            boxes_xyxy: `(P, 4)` edges in pixels; then exactly one person per box comes back, in
                the same order. Without it the detector finds the people.
            colour: Order of an array's channels: `"rgb"` for frames of PIL, imageio, PyAV and
                most others; files and PIL images know theirs.

        Raises:
            InvalidImageError: The frame is nothing of the kind, or larger than `max_pixels`.
            SourceError: A file is missing, no image, damaged or too large.
            InvalidBoxError: A box is not finite, inverted, or wholly outside the frame; or boxes
                for a bottom-up or one-stage network, which finds people by itself.
            ValueError: No boxes, and the estimator was made with `detector=None`.
        """
        self._lifetime.check()
        return self._predict(self._networks, frame, boxes_xyxy, colour)

    def predict_batch(
        self,
        frames: Sequence[ImageLike],
        *,
        boxes_xyxy: Sequence[ArrayLike] | None = None,
        colour: Colour = "bgr",
    ) -> list[Poses]:
        """`predict` for each frame, several at once; a list in, a list as long out.

        Raises:
            ValueError: There are not as many sets of boxes as frames.
        """
        self._lifetime.check()
        if isinstance(frames, str | bytes | PathLike) or getattr(frames, "ndim", 4) == 3:
            raise ValueError("expected a list of frames, got one: give it to predict")
        try:
            frames = list(frames)
            boxes = [None] * len(frames) if boxes_xyxy is None else list(boxes_xyxy)
        except TypeError as exc:
            raise ValueError(f"expected a list of frames, and of boxes: {exc}") from exc
        if len(boxes) != len(frames):
            raise ValueError(f"{len(frames)} frames but {len(boxes)} sets of boxes")
        if len(frames) < 2 or self._threads == 1:
            pairs = zip(frames, boxes, strict=True)
            return [self._predict(self._networks, *pair, colour) for pair in pairs]
        from litepose_edge.streaming import quick_switching  # here and below: for several frames

        # Workers of one thread each: faster than all threads inside one network at a time.
        networks = self._shared_networks()
        with quick_switching, worker_pool(self._threads, "frames") as pool:
            return list(pool.map(lambda f, b: self._predict(networks, f, b, colour), frames, boxes))

    def crop_views(
        self,
        frame: ImageLike,
        *,
        boxes_xyxy: ArrayLike | None = None,
        colour: Colour = "bgr",
    ) -> list[CropView]:
        """What the pose network sees of each person, and where it is hot: for debugging.

        `estimator.crop_views("photo.jpg")[0].draw("left_wrist")` is a picture of it; notebooks
        show the views themselves.

        Args:
            frame: As `predict` takes it.
            boxes_xyxy: `(P, 4)` edges in pixels. Without it there is a view of each person whom
                `predict` finds, in the same order.
            colour: Order of an array's channels.

        Raises:
            InvalidImageError: The frame is no image.
            InvalidBoxError: A box is not finite, inverted, or wholly outside the frame.
            UnsupportedModelError: The network sees whole images, or gives no heat.
        """
        image = self._checked(frame, colour)
        boxes = np.zeros((0, 4), np.float32)
        if boxes_xyxy is not None:
            boxes = check_boxes(boxes_xyxy, Size.of(image))
        elif self._networks.needs_boxes:
            found = self._networks.people(image, self._min_score, self._max_people)
            # Those of the people reported are widened: the network has seen the detector's.
            same = [(found.keypoints == p.keypoints).all(axis=(1, 2)) for p in self._filter(found)]
            boxes = found.boxes_xyxy[[int(row.argmax()) for row in same]]
        return self._networks.views(image, boxes)

    def stream(
        self,
        source: Source,
        *,
        detect_every: int | None = None,
        smooth: bool = True,
        reconnect: bool | float = False,
        timeout_s: float | None = None,
        colour: Colour = "bgr",
    ) -> Iterator[StreamResult]:
        """The people of every frame of a video, camera, URL, folder or iterable, in order.

        Frames are decoded ahead in a thread of their own. A camera or stream never waits: frames
        that come faster than they can be treated are dropped, the oldest first. A film waits,
        also one on a server.

        Args:
            source: An image, folder, glob pattern or video file; a camera's number or device; a
                URL of a film or stream; an iterable of paths, PIL images and `(H, W, 3)` uint8
                arrays.
            detect_every: Track people from frame to frame, with ids, and run the detector on
                every so many frames only. None treats each frame for itself, several at once.
            smooth: Smooth the keypoints of tracked people.
            reconnect: Open a camera or stream again when it stops, with growing pauses: True for
                ever, a number for at most so many seconds. Timestamps show the gap.
            timeout_s: A camera or stream that gives no frame for longer has failed; 30 unless
                given.
            colour: Order of the channels of an iterable's arrays; results' frames are BGR.

        Yields:
            Frame, poses, index and time of each frame.

        Raises:
            SourceError: There is no such source, or it breaks off, as a camera or stream does
                when it stops; results before it stand.
            ValueError: An option is out of range.
        """
        self._lifetime.check()
        from litepose_edge.sources.opening import open_source  # 10 ms, for videos only
        from litepose_edge.streaming import in_parallel, one_by_one

        tracker = None
        if detect_every is not None:  # before a camera is opened, for its options may be wrong
            tracker = self.tracker(detect_every=detect_every, smooth=smooth)
        limits: dict[str, Any] = {"max_pixels": self._max_pixels, "timeout_s": timeout_s}
        opened = open_source(source, reconnect=reconnect, colour=colour, **limits)
        if tracker is None:
            networks = self._shared_networks() if self._threads > 1 else self._networks
            results = in_parallel(
                opened, lambda frame: self._predict(networks, frame.image, None), self._threads
            )
            return self._while_usable(results)
        results = one_by_one(
            opened, lambda frame: tracker.update(frame.image, timestamp_s=frame.timestamp_s)
        )
        return self._while_usable(results)

    def tracker(
        self, *, detect_every: int = 10, smooth: bool = True, max_missing_s: float = 1.0
    ) -> Tracker:
        """A tracker of the people of one camera; make one for each camera.

        Args:
            detect_every: Run the detector on every so many frames; in between, the pose network
                runs where each track is predicted to be. The detector also runs when a person is
                lost and when the scene changes. Networks that find people themselves run on every
                frame.
            smooth: Smooth the keypoints over time (One-Euro filter).
            max_missing_s: A person who is not seen for longer gets a new id when seen again.

        Raises:
            ValueError: An option is out of range, or there is no detector.
        """
        from litepose_edge.tracking.tracker import Tracker, TrackerOptions  # 10 ms, for videos only

        self._lifetime.check()
        detect_every = whole_number("detect_every", detect_every, 1)
        max_missing_s = real_number("max_missing_s", max_missing_s, 0)
        whole_image = not self._networks.needs_boxes
        if self._options.detector is None and not whole_image:
            raise ValueError("a tracker needs a detector: make the Estimator one")
        options = TrackerOptions(
            detect_every=1 if whole_image else detect_every,
            smooth=smooth,
            max_missing_s=max_missing_s,
            min_score=self._min_score,
            max_people=self._max_people,
        )
        if whole_image:
            from litepose_edge.tracking.whole_image import WholeImageNetworks

            networks = WholeImageNetworks(self._networks, self._max_people)
            return Tracker(networks, options, self._checked)
        return Tracker(self._networks, options, self._checked)

    @property
    def dropped_boxes(self) -> int:
        """How many boxes of one's own detector function were dropped so far."""
        detector = self._options.detector
        return detector.dropped if isinstance(detector, CallersDetector) else 0

    def close(self) -> None:
        """Free the networks; closing twice is fine.

        Trackers and streams of this estimator end with it: their next frame is a `RuntimeError`.
        """
        with self._lock:
            self._lifetime.end()
            networks = [self._networks, *([] if self._shared is None else [self._shared])]
        if not self._lifetime.forked:  # the engines' threads are in the other process
            for each in networks:
                each.close()

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
        self,
        networks: Networks,
        frame: ImageLike,
        boxes_xyxy: ArrayLike | None,
        colour: Colour = "bgr",
    ) -> Poses:
        image = self._checked(frame, colour)
        if boxes_xyxy is not None:
            found = networks.people_in(image, check_boxes(boxes_xyxy, Size.of(image)))
        else:
            found = self._filter(networks.people(image, self._min_score, self._max_people))
        return networks.reported(found)

    def _checked(self, frame: ImageLike, colour: Colour = "bgr") -> Image:
        self._lifetime.check()
        return read_input(frame, colour=colour, max_pixels=self._max_pixels)

    def _shared_networks(self) -> Networks:
        """Networks of one thread, which several workers use at once."""
        with self._lock:
            self._lifetime.check()  # it may have ended while another thread held the lock
            if self._shared is None:
                self._shared = Networks(self._options, 1, self._lifetime)
            return self._shared

    def _while_usable(self, results: Generator[StreamResult, None, None]) -> Iterator[StreamResult]:
        """The results, until the estimator is closed."""
        with closing(results):
            self._lifetime.check()
            for result in results:
                yield result
                # Before the next one is waited for: in a fork no thread would ever bring it.
                self._lifetime.check()
