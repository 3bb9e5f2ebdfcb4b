"""Whether a portable graph answers as the runtime does, before it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.backends.onnxruntime_session import OnnxRuntimeSession
from litepose_edge.decoding.score_calibration import calibrate
from litepose_edge.manifest import Manifest, TopDownSpec
from litepose_edge.pipelines.topdown import TopDown
from litepose_export.errors import ParityError
from litepose_export.portable.network import Network

# The same pixels through the same layers: only the order of float additions differs.
MAX_DIFFERENCE_PX = 0.01
PEOPLE = 3


def compare(model: bytes, network: Network, colour: str) -> float:
    """How far the graph's answer is from the runtime's: median, in input pixels.

    The frame is as large as the network's input and the boxes' view is the whole frame, so that
    both see the same pixels. Detectors only have to run: on noise they find no people.

    Args:
        model: The graph's bytes.
        network: What it was made of.
        colour: Order of the frame's channels.

    Raises:
        ParityError: It is further away than rounding explains, or cannot be run.
    """
    manifest = network.manifest
    spec, size = manifest.model, manifest.input.size
    if not isinstance(spec, TopDownSpec):
        run_once(model, network, colour)
        return 0.0
    frame = _noise(manifest)
    feed: dict[str, NDArray[Any]] = {"frame": as_colour(frame, colour)}
    half = np.array([size.width, size.height]) / spec.padding / 2
    middle = np.array([size.width, size.height]) / 2 - 0.5
    box = np.concatenate([middle - half, middle + half]).astype(np.float32)
    assert np.allclose(geometry.crop_view(box, size, spec.padding), np.eye(2, 3), atol=1e-3)
    boxes = np.repeat(box[None], PEOPLE, axis=0)
    found = _run(model, {**feed, "boxes_xyxy": boxes}, manifest)[0]
    runtime = TopDown(
        lambda threads: OnnxRuntimeSession(network.plain, threads), manifest, 1, flip_test=False
    )
    expected, scores = runtime(frame, boxes)
    runtime.close()
    scores = calibrate(scores, spec.score_calibration)
    difference = float(np.median(np.linalg.norm(found[..., :2] - expected, axis=2)))
    of_scores = float(np.median(np.abs(found[..., 2] - scores)))
    if not (difference <= MAX_DIFFERENCE_PX and of_scores <= MAX_DIFFERENCE_PX):
        raise ParityError(
            f"the portable form of '{manifest.name}' differs from the runtime by {difference:.3f} "
            f"input pixels and {of_scores:.3f} in score, allowed is {MAX_DIFFERENCE_PX}"
        )
    return difference


def run_once(model: bytes, network: Network, colour: str) -> None:
    """Whether a graph that takes frames alone can be run.

    Raises:
        ParityError: It cannot.
    """
    _run(model, {"frame": as_colour(_noise(network.manifest), colour)}, network.manifest)


def _noise(manifest: Manifest) -> NDArray[np.uint8]:
    shape = (manifest.input.height, manifest.input.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def as_colour(frame: NDArray[np.uint8], colour: str) -> NDArray[np.uint8]:
    """A BGR frame in another order of channels, opaque."""
    planes = {"b": frame[..., 0], "g": frame[..., 1], "r": frame[..., 2]}
    planes["a"] = np.full_like(planes["b"], 255)
    return np.stack([planes[letter] for letter in colour], axis=-1)


def _run(model: bytes, feed: dict[str, NDArray[Any]], manifest: Manifest) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session: Any = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        found: list[NDArray[Any]] = session.run(None, feed)
    except Exception as exc:
        if not type(exc).__module__.startswith("onnxruntime") and not isinstance(
            exc, RuntimeError | ValueError
        ):
            raise
        reason = (str(exc).splitlines() or [type(exc).__name__])[0][:300]
        raise ParityError(
            f"ONNX Runtime cannot run the portable form of '{manifest.name}': {reason}"
        ) from exc
    return found
