"""The top-down recipe: boxes to crops, crops to heatmaps, heatmaps to keypoints."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from litepose_edge import decode, geometry
from litepose_edge.backends.session import Session
from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import Manifest, TopDownSpec
from litepose_edge.preprocess import Image, Normalizer, warp


class TopDown:
    """A single-person network behind sessions; safe to call from several threads.

    One crop alone gets all threads inside the network. Several crops are spread over workers
    of one thread each: on a CPU that is faster than a batch (0.73 of its time on two cores).

    Args:
        open_session: Opens the network with a number of threads.
        manifest: Its contract; must describe a top-down network.
        threads: CPU threads to use in all.
        flip_test: Average with the mirrored crop: twice the time for a little accuracy.

    Raises:
        ManifestError: The model is not top-down.
    """

    def __init__(
        self,
        open_session: Callable[[int], Session],
        manifest: Manifest,
        threads: int,
        *,
        flip_test: bool = False,
    ) -> None:
        if not isinstance(manifest.model, TopDownSpec):
            raise ManifestError(f"model '{manifest.name}' is no top-down pose network")
        self._open_session, self._threads = open_session, threads
        self._input, self._spec = manifest.input, manifest.model
        self._flip_test = flip_test
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: dict[int, Session] = {}
        self._workers: ThreadPoolExecutor | None = None

    def __call__(self, image: Image, boxes_xyxy: Float32) -> tuple[Float32, Float32]:
        """Keypoints of the person in each box.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            boxes_xyxy: `(P, 4)` float32 in image pixels.

        Returns:
            keypoints: `(P, K, 2)` float32 in image pixels.
            scores: `(P, K)` float32 in `[0, 1]`.
        """
        count, joints = len(boxes_xyxy), len(self._spec.skeleton)
        if count == 0:
            return np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32)
        to_input = geometry.crop_affine(boxes_xyxy, self._input.size, self._spec.padding)
        lone = count == 1 or self._threads == 1
        session = self._session(self._threads if lone else 1)

        def infer(i: int) -> Float32:
            normalizer = self._normalizer()
            crop = warp(image, to_input[i], self._input.size, out=normalizer.crop)
            maps: Float32 = session.run(normalizer(crop))[self._spec.heatmaps.output]
            if self._flip_test:
                mirrored = np.ascontiguousarray(crop[:, ::-1])
                other = session.run(normalizer(mirrored))[self._spec.heatmaps.output]
                maps = decode.average_mirrored(
                    maps, other, self._spec.skeleton.flip_permutation, self._spec.heatmaps.alignment
                )
            return maps

        maps = (
            [infer(i) for i in range(count)]
            if lone
            else list(self._pool().map(infer, range(count)))
        )
        return self._decode(np.concatenate(maps), to_input)

    def _decode(self, maps: Float32, to_input: geometry.Float64) -> tuple[Float32, Float32]:
        spec = self._spec.heatmaps
        cells, scores = decode.decode_heatmaps(
            maps,
            activation=spec.activation,
            refinement=spec.refinement,
            blur_kernel=spec.blur_kernel,
        )
        map_size = Size(maps.shape[3], maps.shape[2])
        points = decode.cells_to_input(cells, map_size, self._input.size, spec.alignment)
        keypoints = geometry.transform(geometry.invert(to_input), points)
        return keypoints.astype(np.float32), scores

    def close(self) -> None:
        """Free sessions and workers; closing twice is fine."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions = {}
            if self._workers is not None:
                self._workers.shutdown()
                self._workers = None

    def _session(self, threads: int) -> Session:
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = self._open_session(threads)
            return self._sessions[threads]

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(self._threads, "litepose-crops")
            return self._workers

    def _normalizer(self) -> Normalizer:
        """This thread's buffers."""
        normalizer: Normalizer | None = getattr(self._local, "normalizer", None)
        if normalizer is None:
            normalizer = self._local.normalizer = Normalizer(self._input)
        return normalizer
