"""Labels one unit: its inputs through one estimator, a shard and the failures out."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import litepose_edge
from litepose_edge import backends
from litepose_edge.backends import Backend, bundled
from litepose_edge.errors import LitePoseError, ModelError, OutputError, WorkerError
from litepose_edge.estimator import Estimator
from litepose_edge.networks import DEFAULT_DETECTOR
from litepose_edge.results import Poses
from litepose_edge.scale.crops import CropWriter
from litepose_edge.scale.options import LabelOptions
from litepose_edge.scale.remote import local_file
from litepose_edge.scale.shards import Labelled, arrow, open_shard
from litepose_edge.scale.units import Failure, Unit, readable
from litepose_edge.sources import is_video, open_source, read_image
from litepose_edge.sources.images import BYTES_PER_PIXEL, METADATA_BYTES
from litepose_edge.sources.kinds import (
    URL,
    Kind,
    file_of_url,
    is_film_name,
    kind_of,
)

# A film on a server may be as large as the disk.
FILM_BYTES = 1 << 50
ENGINES: dict[Backend, str] = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit.

    Attributes:
        name: The unit's.
        shard: The file's bytes; None where the unit was given up and is still to be done.
        failures: At most one an input, in the order of the inputs.
        inputs: How many there were.
        frames: Images and frames that were labelled.
        people: Found in them.
    """

    name: str
    shard: bytes | None
    failures: tuple[Failure, ...]
    inputs: int
    frames: int
    people: int


# Told before an input is read, with its position in the unit; and after a frame, with its people.
Begin = Callable[[int], None]
Done = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a run does; goes to each in its pickled form.

    Attributes:
        options: How.
        model: Name of the pose network.
        keypoint_names: What it finds.
        hashes: SHA-256 of the model files by option; a worker with others refuses.
        versions: Of the packages on which the bytes depend; likewise.
    """

    options: LabelOptions
    model: str
    keypoint_names: tuple[str, ...]
    hashes: dict[str, str] = field(hash=False)
    versions: dict[str, str] = field(hash=False, default_factory=dict)

    def open(self) -> Labeller:
        """The networks, opened in this process.

        Raises:
            ModelError: They cannot be used, or are others than the driver's.
            WorkerError: This machine has other packages than the driver's.
        """
        here = package_versions(self.options.backend)
        for package, version in self.versions.items():
            if here[package] != version:
                raise WorkerError(
                    f"this machine has {package} {here[package]}, the driver's has {version}: "
                    "install the same on all machines"
                )
        found = model_hashes(self.options)
        for option, expected in self.hashes.items():
            if found[option] != expected:
                raise ModelError(
                    f"the {option} '{getattr(self.options, option)}' of this machine has SHA-256 "
                    f"{found[option]}, the driver's has {expected}: install the same files and "
                    "the same litepose-edge on all machines"
                )
        return Labeller(self)


def make_job(options: LabelOptions) -> Job:
    """Look the networks up and check them.

    Raises:
        ModelError: One cannot be used.
        BackendUnavailableError: The backend is not installed.
    """
    with _estimator(options) as estimator:
        poses = estimator.predict(np.zeros((64, 64, 3), np.uint8))
    found = backends.find_model(options.model, precision=options.precision, backend=options.backend)
    names = tuple(poses.skeleton.keypoint_names)
    versions = package_versions(options.backend)
    return Job(options, found.manifest.name, names, model_hashes(options), versions)


def package_versions(backend: Backend) -> dict[str, str]:
    """The packages on which the bytes of a shard depend, of this process."""
    pyarrow, _ = arrow()
    try:
        engine = importlib.metadata.version(backend)
    except importlib.metadata.PackageNotFoundError:  # it comes under another name, or is built
        engine = "unknown"
    return {
        "litepose-edge": litepose_edge.__version__,
        "pyarrow": str(pyarrow.__version__),
        "NumPy": np.__version__,
        "OpenCV": cv2.__version__,
        ENGINES[backend]: engine,
    }


def model_hashes(options: LabelOptions) -> dict[str, str]:
    """SHA-256 of the files of pose network and detector, with the manifests beside them."""
    found = {}
    for option in ("model", "detector"):
        named, precision = getattr(options, option), options.precision or "int8"
        if option == "detector" and named == "default":
            named = DEFAULT_DETECTOR
            if precision not in bundled.precisions(named):
                precision = "int8"
        path = bundled.find(named, precision) if bundled.is_name(named) else Path(named)
        digest = sha256(bundled.read(path))
        for beside in (Path(f"{path}.json"), path.with_suffix(".bin"), Path(f"{path}.data")):
            if not bundled.is_name(named) and beside.is_file():
                digest.update(bundled.read(beside))
        found[option] = digest.hexdigest()
    return found


class Labeller:
    """One estimator of one thread; not to be shared.

    Args:
        job: What to do.
    """

    def __init__(self, job: Job) -> None:
        cv2.setNumThreads(1)
        self._job, self._options = job, job.options
        self._estimator = _estimator(job.options)

    def run(self, unit: Unit, skip: Mapping[int, Failure], begin: Begin, done: Done) -> UnitResult:
        """Label a unit.

        Args:
            unit: What.
            skip: Failures that are known, by the input's position; those are not tried.
            begin: Told the position before each input.
            done: Told the people after each frame.

        Raises:
            OutputError: A crop cannot be written.
        """
        job, options = self._job, self._options
        shard = open_shard(options.format, unit.name, job.keypoint_names, job.model)
        crops = None
        if options.crops is not None:
            folder = os.path.join(unit.folder, options.crops)  # noqa: PTH118
            crops = CropWriter(folder, unit.name, job.keypoint_names)
        failures: list[Failure] = []
        frames = people = 0
        for position, source in enumerate(unit.sources):
            if position in skip:
                failures.append(skip[position])
                continue
            begin(position)
            try:
                for image, labelled in self._frames(source, unit.folder):
                    shard.add(labelled)
                    if crops is not None:
                        crops.add(image, labelled)
                    frames, people = frames + 1, people + len(labelled.poses)
                    done(len(labelled.poses))
            except (OutputError, ModelError):  # no fault of this input: it would be the next one's
                raise
            except LitePoseError as exc:
                failures.append(Failure(source, "source", str(exc)))
            except Exception as exc:  # noqa: BLE001 - one input must not end an archive's run
                reason = f"{type(exc).__name__}: {' '.join(str(exc).split())}"
                failures.append(Failure(source, "error", reason))
        if crops is not None:
            crops.finish()
        return UnitResult(
            unit.name, shard.finish(), tuple(failures), len(unit.sources), frames, people
        )

    def close(self) -> None:
        """Free the networks."""
        self._estimator.close()

    def _frames(self, source: str, folder: str) -> Iterator[tuple[NDArray[np.uint8], Labelled]]:
        """The labelled frames of an input, each with its pixels."""
        options, name = self._options, readable(source)
        with _on_disk(source, folder, options.max_pixels) as place:
            path = os.fspath(place)
            try:
                if kind_of(path) in (Kind.CAMERA, Kind.PIPELINE) or not is_video(path):
                    image = read_image(path, max_pixels=options.max_pixels)
                    poses = self._estimator.predict(image)
                    yield image, Labelled(name, 0, 0.0, film=False, poses=poses)
                    return
                yield from self._film(path, name)
            except LitePoseError as exc:
                if path == source or isinstance(exc, OutputError | ModelError):
                    raise
                # By the name that the user knows.
                raise type(exc)(str(exc).replace(path, name)) from exc

    def _film(self, path: str, name: str) -> Iterator[tuple[NDArray[np.uint8], Labelled]]:
        options = self._options
        predict: Callable[[NDArray[np.uint8], float], Poses]
        if options.track:
            tracker = self._estimator.tracker(
                detect_every=options.detect_every, smooth=options.smooth
            )

            def predict(image: NDArray[np.uint8], time_s: float) -> Poses:
                return tracker.update(image, timestamp_s=time_s)
        else:

            def predict(image: NDArray[np.uint8], time_s: float) -> Poses:
                return self._estimator.predict(image)

        opened = open_source(path, max_pixels=options.max_pixels)
        with contextlib.closing(opened):
            for frame in islice(opened.frames, 0, None, options.every):
                poses = predict(frame.image, frame.timestamp_s)
                yield (
                    frame.image,
                    Labelled(name, frame.index, frame.timestamp_s, film=True, poses=poses),
                )


@contextlib.contextmanager
def _on_disk(source: str, folder: str, max_pixels: int) -> Iterator[Path]:
    """The input as a file of this machine."""
    if not URL.match(source):
        yield Path(os.path.join(folder, source))  # noqa: PTH118
        return
    file = file_of_url(source)
    if file is not None:
        yield Path(file)
        return
    image_bytes = int(BYTES_PER_PIXEL * max_pixels) + METADATA_BYTES
    with local_file(source, FILM_BYTES if is_film_name(source) else image_bytes) as path:
        yield path


def _estimator(options: LabelOptions) -> Estimator:
    return Estimator(
        options.model,
        detector=options.detector,
        detector_size=options.detector_size,
        backend=options.backend,
        precision=options.precision,
        threads=1,
        min_score=options.min_score,
        max_people=options.max_people,
        max_pixels=options.max_pixels,
        flip_test=options.flip_test,
    )
