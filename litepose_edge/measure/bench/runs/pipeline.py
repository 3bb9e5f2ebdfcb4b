"""Opens what a configuration names, as one function from a frame to keypoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge import backends
from litepose_edge.backends import Session, TensorSpec, bundled
from litepose_edge.decoding.score_calibration import calibrate
from litepose_edge.estimator import Estimator
from litepose_edge.geometry import Float32
from litepose_edge.manifest import TopDownSpec
from litepose_edge.measure.bench.runs.clip import MIN_SCORE, ClipFrame, FindBoxes
from litepose_edge.measure.bench.runs.configuration import SYNTHETIC, Configuration
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.seam import BoxPipeline
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.preprocess import Image

DETECTOR = "persondet"

Keypoints = tuple[Float32, Float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """A configuration, ready to run.

    Attributes:
        predict: From a frame to keypoints `(P, K, 2)` and scores `(P, K)`.
        close: Frees it.
    """

    predict: Callable[[ClipFrame], Keypoints]
    close: Callable[[], None]


class SpinningSession:
    """ONNX Runtime with its default options: idle threads spin while they wait for the next run."""

    def __init__(self, model: bytes, threads: int) -> None:
        # Not at the top: `doctor` must start where ONNX Runtime cannot be imported.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        (given,) = self._session.get_inputs()
        self.input = TensorSpec(given.name, tuple(given.shape), given.type)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        values = self._session.run(self._outputs, {self.input.name: batch})
        return dict(zip(self._outputs, values, strict=True))

    def close(self) -> None:
        """Free the network."""
        self._session = None


def open_pipeline(configuration: Configuration) -> Pipeline:
    """Open a configuration's networks.

    Raises:
        ModelError: A model cannot be used.
        BackendUnavailableError: The backend is not installed.
    """
    if configuration.engine == "onnxruntime-spinning":
        return _open_spinning(configuration)
    estimator = Estimator(
        configuration.model,
        backend=configuration.backend,
        precision=configuration.precision,
        threads=configuration.threads,
        min_score=MIN_SCORE,
        flip_test=_flip_test(configuration),
        detector_size=configuration.detector_size,
    )

    def predict(frame: ClipFrame) -> Keypoints:
        return estimator.predict(frame.image, boxes_xyxy=frame.boxes_xyxy).as_tuple()

    return Pipeline(predict, estimator.close)


def _flip_test(configuration: Configuration) -> bool | None:
    """No flip test of drawn people: every network scores them low and would run a second time."""
    return False if configuration.source == SYNTHETIC else None


def open_detector(configuration: Configuration) -> BoxPipeline:
    """The default detector in a configuration's precision, backend and size."""
    found = backends.find_model(
        DETECTOR,
        precision=bundled.nearest_precision(DETECTOR, configuration.precision),
        backend=configuration.backend,
        threads=configuration.threads,
    )
    size = configuration.detector_size
    return PersonDetector(found.open, found.manifest, configuration.threads, size=size)


def lazy_detector(configuration: Configuration) -> FindBoxes:
    """The same, opened when it is first called: a process that is given boxes does not load it."""
    opened: list[BoxPipeline] = []

    def find(image: Image, min_score: float) -> tuple[Float32, Float32]:
        if not opened:
            opened.append(open_detector(configuration))
        return opened[0](image, min_score)

    return find


def open_topdown(
    configuration: Configuration,
    threads: int,
    wrap: Callable[[Session], Session] = lambda session: session,
) -> TopDown | None:
    """The pose network by itself; None where the model is not top-down.

    Args:
        configuration: Its model, precision and engine.
        threads: CPU threads.
        wrap: What is put around each session.
    """
    found = backends.find_model(
        configuration.model,
        precision=configuration.precision,
        backend=configuration.backend,
        threads=threads,
    )
    if not isinstance(found.manifest.model, TopDownSpec):
        return None

    def open_session(count: int) -> Session:
        if configuration.engine == "onnxruntime-spinning":
            return wrap(SpinningSession(found.loadable, count))
        return wrap(found.open(count))

    return TopDown(open_session, found.manifest, threads, flip_test=_flip_test(configuration))


def _open_spinning(configuration: Configuration) -> Pipeline:
    opened = open_topdown(configuration, configuration.threads)
    if opened is None or configuration.people is None:
        raise ValueError(
            "onnxruntime-spinning measures top-down models whose people are given: use --people 1"
        )
    topdown = opened
    spec = backends.find_model(
        configuration.model, precision=configuration.precision, backend=configuration.backend
    ).manifest.model
    calibration = spec.score_calibration if isinstance(spec, TopDownSpec) else None

    def predict(frame: ClipFrame) -> Keypoints:
        assert frame.boxes_xyxy is not None
        # One after the other, each with all threads, as a caller without worker threads would.
        people = [topdown(frame.image, box[None]) for box in frame.boxes_xyxy]
        keypoints, scores = zip(*people, strict=True)
        return np.concatenate(keypoints), calibrate(np.concatenate(scores), calibration)

    return Pipeline(predict, topdown.close)
