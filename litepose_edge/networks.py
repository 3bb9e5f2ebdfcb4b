"""An estimator's networks at one number of threads, each opened when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from litepose_edge import backends
from litepose_edge.backends import Backend, Model
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import BottomUpSpec
from litepose_edge.pipelines.bottomup_options import USUAL, BottomUpOptions
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.preprocess import Image, check_boxes

if TYPE_CHECKING:
    from litepose_edge.pipelines.bottomup import BottomUp
    from litepose_edge.pipelines.detector import BoxSource

DEFAULT_DETECTOR = "persondet"
Detector = str | PathLike[str] | Callable[[Image], ArrayLike] | None


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine runs.

    Attributes:
        model: The pose network, top-down or bottom-up.
        detector: As the estimator was given it.
        detector_size: Likewise.
        backend: What runs both.
        precision: Of the default detector.
        flip_test: As the estimator was given it.
        bottom_up: Of a bottom-up network.
    """

    model: Model
    detector: Detector
    backend: Backend
    precision: str | None
    flip_test: bool | None
    bottom_up: BottomUpOptions = USUAL
    detector_size: int | None = None


class Engine:
    """Detector and pose network, or a bottom-up network; safe to call from several threads.

    Args:
        options: What to run.
        threads: CPU threads in all. An engine of one thread is what several workers share.
    """

    def __init__(self, options: EngineOptions, threads: int) -> None:
        self._options, self._threads = options, threads
        self._topdown: TopDown | None = None
        self.everybody: BottomUp | None = None
        network, flip = options.model, options.flip_test
        if isinstance(network.manifest.model, BottomUpSpec):
            from litepose_edge.pipelines.bottomup import BottomUp  # others need not load it

            self.everybody = BottomUp(
                network.open, network.manifest, threads, options.bottom_up, flip_test=bool(flip)
            )
        else:
            self._topdown = TopDown(network.open, network.manifest, threads, flip_test=flip)
        self._detector: BoxSource | None = None
        self._lock = threading.Lock()

    def pose(
        self, image: Image, boxes_xyxy: Float32, *, found: bool = True
    ) -> tuple[Float32, Float32]:
        """Keypoints `(P, K, 2)` and scores `(P, K)` of the person in each box; top-down only.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            boxes_xyxy: `(P, 4)` float32 in image pixels.
            found: Whether a detector found them, rather than the caller.
        """
        assert self._topdown is not None
        return self._topdown(image, boxes_xyxy, found=found)

    def find(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Boxes `(P, 4)` and scores `(P,)`; a caller with boxes never opens the detector.

        Raises:
            ValueError: There is no detector.
        """
        with self._lock:
            if self._detector is None:
                self._detector = self._open_detector()
        return self._detector(image, min_score)

    def close(self) -> None:
        """Free the networks; closing twice is fine."""
        for network in (self._topdown, self.everybody):
            if network is not None:
                network.close()
        self._detector = None

    def _open_detector(self) -> BoxSource:
        detector = self._options.detector
        if detector is None:
            raise ValueError("no detector: give predict() boxes_xyxy, or make the Estimator one")
        if callable(detector):
            return _given_detector(detector)
        precision = None
        if detector == "default":
            # The pose network may be a file of either precision; the detector follows the wish.
            detector, precision = DEFAULT_DETECTOR, self._options.precision
        found = backends.find_model(
            detector, precision=precision, backend=self._options.backend, threads=self._threads
        )
        from litepose_edge.pipelines.detector import (
            PersonDetector,  # 9 ms that own boxes need not wait for
        )

        size = self._options.detector_size
        return PersonDetector(found.open(self._threads), found.manifest, size)


def _given_detector(detect: Callable[[Image], ArrayLike]) -> BoxSource:
    def find(image: Image, min_score: float) -> tuple[Float32, Float32]:
        del min_score  # the caller's detector has thresholds of its own
        boxes = check_boxes(detect(image), Size.of(image))
        return boxes, np.ones(len(boxes), np.float32)

    return find
