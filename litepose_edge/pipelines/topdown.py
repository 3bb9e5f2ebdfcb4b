"""The top-down pipeline: boxes to crops, crops through the network, its outputs to keypoints."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import numpy as np

from litepose_edge import geometry
from litepose_edge.backends.session import Session
from litepose_edge.decoding import heatmaps, regression, simcc
from litepose_edge.errors import ManifestError, UnsupportedModelError
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import HeatmapSpec, Manifest, RegressionSpec, SimccSpec, TopDownSpec
from litepose_edge.manifest import output_names as names_of_outputs
from litepose_edge.person_filter import pose_scores
from litepose_edge.pipelines.outputs import expect_finite, expect_shape, read_outputs
from litepose_edge.pipelines.seam import SessionProvider
from litepose_edge.preprocess import Image, Normalizer, Normalizers, mirror, warp
from litepose_edge.threads import worker_pool

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from litepose_edge.results import CropView

# What the network says about one crop: each output that its head reads, `(1, ...)`.
Outputs = tuple[Float32, ...]
# The length of each axis of an output; None for any.
Axes = tuple[int | None, ...]
NETWORK = "pose network"


class TopDown:
    """A single-person network behind sessions; safe to call from several threads.

    One crop alone gets all threads inside the network. Several crops are spread over workers
    of one thread each: on a CPU that is faster than a batch (0.73 of its time on two cores).

    Args:
        open_session: Opens the network with a number of threads.
        manifest: Its manifest; must describe a top-down network.
        threads: CPU threads to use in all.
        flip_test: True: average each crop with its mirror image, in twice the time. False: none.
            None: those below the manifest's `flip_test_below` and `flip_test_below_detected`.

    Raises:
        ManifestError: The model is not top-down.
    """

    def __init__(
        self,
        open_session: SessionProvider,
        manifest: Manifest,
        threads: int,
        *,
        flip_test: bool | None = None,
    ) -> None:
        if not isinstance(manifest.model, TopDownSpec):
            raise ManifestError(f"model '{manifest.name}' is no top-down pose network")
        self._open_session, self._threads = open_session, threads
        self._input, self._spec = manifest.input, manifest.model
        self._size = manifest.input.size
        self._outputs = names_of_outputs(manifest)
        self._axes = _axes_of(manifest.model, manifest.input.size)
        self._flip_test = flip_test
        self._normalizers = Normalizers(self._input)
        self._lock = threading.Lock()
        self._sessions: dict[int, Session] = {}
        self._workers: ThreadPoolExecutor | None = None
        self._closed = False

    def __call__(
        self,
        image: Image,
        boxes_xyxy: Float32,
        *,
        detected: bool = False,
        least_scores: Float32 | None = None,
    ) -> tuple[Float32, Float32]:
        """Keypoints of the person in each box.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            boxes_xyxy: `(P, 4)` float32 in image pixels.
            detected: Whether a detector found them: `flip_test_below_detected` then applies.
            least_scores: `(P,)`: a pose that scores less gets no flip test, since nobody will
                report it. None: all may get one.

        Returns:
            keypoints: `(P, K, 2)` float32 in image pixels.
            scores: `(P, K)` float32 in `[0, 1]`.
        """
        count, joints = len(boxes_xyxy), len(self._spec.skeleton)
        if count == 0:
            return np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32)
        to_input = geometry.crop_view(boxes_xyxy, self._size, self._spec.padding)
        one_by_one = count == 1 or self._threads == 1
        session = self._session(self._threads if one_by_one else 1)
        flip_test_below = self._flip_test_below(detected)
        least = [0.0] * count if least_scores is None else least_scores.tolist()

        def infer(i: int) -> Outputs:
            normalizer = self._normalizers(self._size)
            crop = warp(image, to_input[i], self._size, out=normalizer.crop)
            outputs = self._run(session, normalizer, crop)
            if not flip_test_below:
                return outputs
            if least[i] <= pose_scores(self._scores(outputs))[0] < flip_test_below:
                mirrored = self._run(session, normalizer, mirror(crop))
                outputs = self._average(outputs, mirrored)
            return outputs

        answers = (
            [infer(i) for i in range(count)]
            if one_by_one
            else list(self._pool().map(infer, range(count)))
        )
        if count == 1:
            return self._decode(answers[0], to_input)
        return self._decode(tuple(map(np.concatenate, zip(*answers, strict=True))), to_input)

    def views(self, image: Image, boxes_xyxy: Float32) -> list[CropView]:
        """What the network sees of the person in each box, and its heat; without a flip test.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            boxes_xyxy: `(P, 4)` float32 in image pixels.

        Raises:
            UnsupportedModelError: The network gives coordinates and no maps.
        """
        if isinstance(self._spec.head, RegressionSpec):
            raise UnsupportedModelError(
                "this network gives coordinates, no heat: only networks with heatmaps or SimCC "
                "classifications show what they saw"
            )
        from litepose_edge.results import CropView  # for who asks for views

        size, session = self._size, self._session(self._threads)
        found = []
        for to_input in geometry.crop_view(boxes_xyxy, size, self._spec.padding):
            normalizer = self._normalizers(size)
            crop = warp(image, to_input, size, out=normalizer.crop).copy()
            outputs = self._run(session, normalizer, crop)
            points, scores = self._points(outputs)
            found.append(
                CropView(
                    crop=crop,
                    heat=self._heat(outputs),
                    keypoints=points[0],
                    scores=scores[0],
                    skeleton=self._spec.skeleton,
                    min_keypoint_score=self._spec.min_keypoint_score,
                )
            )
        return found

    def _heat(self, outputs: Outputs) -> Float32:
        """`(K, h, w)` in `[0, 1]` of one crop; of SimCC the product of its classifications."""
        match self._spec.head:
            case HeatmapSpec(activation=activation):
                return heatmaps.heat_of(outputs[0][0], activation).clip(0, 1)
            case SimccSpec() as head:
                return simcc.heat_of(outputs[0][0], outputs[1][0], head)
            case RegressionSpec():
                raise AssertionError("no maps")

    def _flip_test_below(self, detected: bool) -> float:
        """The pose score below which the mirrored crop is averaged in."""
        if self._flip_test is not None:
            return math.inf if self._flip_test else 0.0
        return max(
            self._spec.flip_test_below, self._spec.flip_test_below_detected if detected else 0.0
        )

    def _run(self, session: Session, normalizer: Normalizer, crop: Image) -> Outputs:
        outputs = read_outputs(session.run(normalizer(crop)), self._outputs, NETWORK)
        for values, name, axes in zip(outputs, self._outputs, self._axes, strict=True):
            joints = len(self._spec.skeleton)
            if axes is not None:
                what = f"the manifest names {joints} keypoints"
                expect_shape(values, axes, name, NETWORK, what)
            elif not values.ndim or len(values) != 1:
                raise ManifestError(
                    f"expected one crop's coordinates and scores, (1, {joints}, 3) in '{name}'; "
                    f"the {NETWORK} gives {values.shape}"
                )
        return outputs

    def _average(self, outputs: Outputs, mirrored: Outputs) -> Outputs:
        """Outputs of a crop averaged with those of its mirror image."""
        flip = self._spec.skeleton.flip_permutation
        match self._spec.head:
            case HeatmapSpec(alignment=alignment):
                return (heatmaps.average_mirrored(outputs[0], mirrored[0], flip, alignment),)
            case SimccSpec(split_ratio=ratio):
                return simcc.average_mirrored(
                    outputs[0], outputs[1], (mirrored[0], mirrored[1]), flip, ratio
                )
            case RegressionSpec() as spec:
                size = self._size
                return (
                    regression.average_mirrored_table(outputs[0], mirrored[0], flip, size, spec),
                )

    def _decode(self, outputs: Outputs, to_input: Float64) -> tuple[Float32, Float32]:
        points, scores = self._points(outputs)
        keypoints = geometry.out_of_view(to_input, points)
        return expect_finite(keypoints, NETWORK), scores

    def _scores(self, outputs: Outputs) -> Float32:
        """Scores `(P, K)` alone."""
        match self._spec.head:
            case HeatmapSpec(activation=activation):
                return heatmaps.peak_scores(outputs[0], activation)
            case _:
                return self._points(outputs)[1]

    def _points(self, outputs: Outputs) -> tuple[Float32, Float32]:
        """Keypoints `(P, K, 2)` in input pixels and scores `(P, K)`."""
        joints = len(self._spec.skeleton)
        match self._spec.head:
            case HeatmapSpec() as head:
                (maps,) = outputs
                cells, scores = heatmaps.decode_as(maps, head, self._spec.skeleton)
                map_size = Size(maps.shape[3], maps.shape[2])
                points = heatmaps.cells_to_input(cells, map_size, self._size, head.alignment)
                return points, scores
            case SimccSpec() as head:
                return simcc.decode_simcc(outputs[0], outputs[1], head)
            case RegressionSpec() as head:
                return regression.decode_regression(outputs[0], joints, self._size, head)

    def close(self) -> None:
        """Free sessions and workers for good; closing twice is fine."""
        with self._lock:
            self._closed = True
            sessions, self._sessions = self._sessions, {}
            workers, self._workers = self._workers, None
        # Not under the lock: crops under way may still ask for it.
        if workers is not None:
            workers.shutdown()
        for session in sessions.values():
            session.close()

    def _session(self, threads: int) -> Session:
        with self._lock:
            self._check_open()
            if threads not in self._sessions:
                self._sessions[threads] = self._open_session(threads)
            return self._sessions[threads]

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the networks are closed")

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            self._check_open()
            if self._workers is None:
                self._workers = worker_pool(self._threads, "crops")
            return self._workers


def _axes_of(spec: TopDownSpec, size: Size) -> tuple[Axes | None, ...]:
    """The shape of each output for one crop; None for tables, whose axes their decoder knows."""
    joints = len(spec.skeleton)
    match spec.head:
        case HeatmapSpec():
            return ((1, joints, None, None),)
        case SimccSpec(split_ratio=ratio):
            return tuple((1, joints, round(side * ratio)) for side in (size.width, size.height))
        case RegressionSpec():
            return (None,)
