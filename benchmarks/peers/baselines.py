"""Ours and what else a user could run, each through its own usual code: a crop to keypoints.

The second to fourth run weights of our other networks, the last five their own from `peers/`, the
others our default network's. What an engine leaves to its user (cropping, normalising, decoding)
is the plain code of `plain.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.micro import plain
from benchmarks.peers.onnx_threads import within_affinity
from benchmarks.peers.rtmlib_pose import open_vitpose
from benchmarks.peers.turns import NotHereError
from benchmarks.processes import usable_cpus
from litepose_edge import Estimator
from litepose_edge.backends import bundled, find_model
from litepose_edge.backends.telemetry import no_openvino_telemetry
from litepose_edge.manifest import IMAGENET_MEAN, IMAGENET_STD, HeatmapSpec, TopDownSpec

MODEL, LARGE, SMALL = "lrpose-s", "lrpose-m", "lrpose-n"
TINYPOSE_BLUR = 3

Array = NDArray[Any]
Run = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Baseline:
    """One way to keypoints.

    Attributes:
        name: What the table calls it.
        weights: Whose network, in which precision.
        usual: Its usual code, in a few words.
        open: Loads it; gives a function from a frame and a `(4,)` xyxy box to keypoints
            `(17, 2)` and scores `(17,)` in `[0, 1]`.
    """

    name: str
    weights: str
    usual: str
    open: Callable[[], Run]


def all_baselines(peers: Path) -> list[Baseline]:
    """All ways that are compared, ours first.

    Args:
        peers: Folder of third-party networks; those that are not there fail to open.
    """
    pose = peers / "pose"
    ours_int8, ours_fp32 = "LRPose-s INT8", "LRPose-s FP32"
    sdk = "Estimator.predict"
    return [
        Baseline("litepose-edge", ours_int8, sdk, lambda: _ours("int8", "onnxruntime")),
        Baseline(
            "litepose-edge, m", "LRPose-m INT8", sdk, lambda: _ours("int8", "onnxruntime", LARGE)
        ),
        Baseline(
            "litepose-edge, m, no flip test",
            "LRPose-m INT8",
            "flip_test=False",
            lambda: _ours("int8", "onnxruntime", LARGE, flip_test=False),
        ),
        Baseline(
            "litepose-edge, n", "LRPose-n INT8", sdk, lambda: _ours("int8", "onnxruntime", SMALL)
        ),
        Baseline("litepose-edge, OpenVINO", ours_int8, sdk, lambda: _ours("int8", "openvino")),
        Baseline("litepose-edge, FP32", ours_fp32, sdk, lambda: _ours("fp32", "onnxruntime")),
        Baseline("rtmlib 0.0.16", ours_fp32, "its ViTPose class", _rtmlib),
        Baseline("OpenCV DNN", ours_fp32, "readNet, plain quarter shift", _opencv),
        Baseline(
            "OpenVINO alone, INT8",
            ours_int8,
            "compile_model, plain quarter shift",
            lambda: _openvino("int8"),
        ),
        Baseline(
            "OpenVINO alone",
            ours_fp32,
            "compile_model, plain quarter shift",
            lambda: _openvino("fp32"),
        ),
        Baseline(
            "PP-TinyPose",
            "its own, FP16 file",
            "OpenVINO, DARK",
            lambda: _tinypose(pose / "pptinypose_256x192" / "model.xml"),
        ),
        Baseline(
            "PP-TinyPose, ncnn",
            "its own, FP16 file",
            "ncnn, DARK",
            lambda: _tinypose_ncnn(pose / "pptinypose_ncnn" / "tinypose_256x192.param"),
        ),
        Baseline(
            "Ultralight-SimplePose",
            "its own, FP32",
            "ONNX Runtime, quarter shift",
            lambda: _ultralight(pose / "ultralight_simplepose_256x192.onnx"),
        ),
        Baseline(
            "MoveNet Lightning",
            "its own, INT8",
            "OpenVINO, on the person's crop",
            lambda: _movenet_openvino(pose / "movenet_lightning_int8.tflite"),
        ),
        Baseline(
            "MoveNet Lightning, LiteRT",
            "its own, INT8",
            "LiteRT with XNNPACK, on the person's crop",
            lambda: _movenet_litert(pose / "movenet_lightning_int8.tflite"),
        ),
    ]


def _ours(precision: Any, backend: Any, model: str = MODEL, flip_test: bool | None = None) -> Run:
    if backend == "openvino":
        _openvino_core()
    estimator = Estimator(
        model, detector=None, precision=precision, backend=backend, flip_test=flip_test
    )

    def run(image: Array, box: Array) -> tuple[Array, Array]:
        poses = estimator.predict(image, boxes_xyxy=box[None])
        return poses.keypoints[0], poses.scores[0]

    return run


def _rtmlib() -> Run:
    try:
        import onnx
        import rtmlib  # noqa: F401 - asked for before anything is made
    except ImportError as exc:
        raise NotHereError(f"{exc.name} is not installed") from exc
    # rtmlib's decoder reads heat, our graph ends in logits: give it the last step.
    model = onnx.load(str(bundled.find(MODEL, "fp32")))
    (output,) = model.graph.output
    model.graph.node.append(onnx.helper.make_node("Sigmoid", [output.name], ["heat"]))
    output.name = "heat"
    size = find_model(MODEL, precision="fp32").manifest.input.size
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "heat.onnx"
        onnx.save(model, str(file))
        network = open_vitpose(file, size)

    def run(image: Array, box: Array) -> tuple[Array, Array]:
        keypoints, scores = network(image, [box.tolist()])
        return keypoints[0], scores[0]

    return run


def _opencv() -> Run:
    try:
        network = cv2.dnn.readNetFromONNX(str(bundled.find(MODEL, "fp32")))
    except cv2.error as exc:
        raise NotHereError(f"OpenCV {cv2.__version__} cannot read the file") from exc

    def infer(batch: Array) -> Array:
        network.setInput(batch)
        return np.asarray(network.forward())

    return _our_weights(infer)


def _openvino(precision: str) -> Run:
    compiled = _openvino_core().compile_model(str(bundled.find(MODEL, precision)), "CPU")
    return _our_weights(lambda batch: np.asarray(compiled([batch])[0]))


def _our_weights(infer: Callable[[Array], Array]) -> Run:
    """A bare inference engine around our network, with the manifest's input and head."""
    manifest = find_model(MODEL, precision="fp32").manifest
    assert isinstance(manifest.model, TopDownSpec)
    assert isinstance(manifest.model.head, HeatmapSpec)
    spec = manifest.input
    return _heatmaps(
        lambda batch: plain.sigmoid(infer(batch)[0]), spec.width, spec.height, spec.mean, spec.std
    )


def _heatmaps(
    infer: Callable[[Array], Array],
    width: int,
    height: int,
    mean: Any = IMAGENET_MEAN,
    std: Any = IMAGENET_STD,
    decode: Callable[[Array], tuple[Array, Array]] = plain.quarter,
    alignment: Literal["centre", "corner"] = "centre",
) -> Run:
    """Crop, normalise, infer `(K, h, w)` heat, decode, map back.

    With `"corner"`, the first cell lies on the first pixel, not amid the first stride.
    """

    def run(image: Array, box: Array) -> tuple[Array, Array]:
        affine = plain.crop_affine(box, width, height)
        crop = cv2.warpAffine(image, affine, (width, height), flags=cv2.INTER_LINEAR)
        heat = infer(plain.normalise(crop, mean, std))
        cells, scores = decode(heat)
        stride = np.array([width / heat.shape[2], height / heat.shape[1]])
        offset = (stride - 1) / 2 if alignment == "centre" else 0
        return plain.to_image(cells * stride + offset, affine), scores

    return run


def _tinypose(path: Path) -> Run:
    compiled = _openvino_core().compile_model(str(_there(path)), "CPU")
    return _tinypose_around(lambda batch: np.asarray(compiled([batch])[0])[0])


def _tinypose_ncnn(path: Path) -> Run:
    """The files of FeiGeChuanShu/ncnn_Android_PP-TinyPose, as its app runs them."""
    try:
        import ncnn
    except ImportError as exc:
        raise NotHereError("ncnn is not installed") from exc
    network = ncnn.Net()
    network.opt.num_threads = usable_cpus()
    network.load_param(str(_there(path)))
    network.load_model(str(_there(path.with_suffix(".bin"))))
    (given,), (found,) = network.input_names(), network.output_names()

    def infer(batch: Array) -> Array:
        extractor = network.create_extractor()
        extractor.input(given, ncnn.Mat(batch[0]))
        _, heat = extractor.extract(found)
        return np.array(heat, np.float32)

    return _tinypose_around(infer)


def _tinypose_around(infer: Callable[[Array], Array]) -> Run:
    return _heatmaps(
        infer,
        192,
        256,
        decode=lambda heat: plain.dark(np.maximum(heat, 0), TINYPOSE_BLUR),
        alignment="corner",
    )


def _ultralight(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # initialisers among the inputs: an old file's habit
    with within_affinity():
        session = onnxruntime.InferenceSession(str(_there(path)), options)
    return _heatmaps(
        lambda batch: np.asarray(session.run(None, {"data": batch})[0])[0],
        192,
        256,
        alignment="corner",
    )


def _movenet_openvino(path: Path) -> Run:
    compiled = _openvino_core().compile_model(str(_there(path)), "CPU")
    return _movenet(lambda batch: np.asarray(compiled([batch])[0]))


def _movenet_litert(path: Path) -> Run:
    """As MoveNet's own examples run it; its delegate XNNPACK is the default there."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as exc:
        raise NotHereError("ai-edge-litert is not installed") from exc
    # It would use one thread; its examples pass a number.
    interpreter = Interpreter(str(_there(path)), num_threads=usable_cpus())
    interpreter.allocate_tensors()
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()

    def infer(batch: Array) -> Array:
        interpreter.set_tensor(given["index"], batch.astype(given["dtype"]))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(found["index"]))

    return _movenet(infer)


def _movenet(infer: Callable[[Array], Array]) -> Run:
    """`(1, 192, 192, 3)` uint8 RGB to rows of y, x and score, as parts of the input."""
    side = 192

    def run(image: Array, box: Array) -> tuple[Array, Array]:
        affine = plain.crop_affine(box, side, side)
        crop = cv2.warpAffine(image, affine, (side, side), flags=cv2.INTER_LINEAR)
        rgb = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)
        found = infer(rgb[None]).reshape(17, 3)
        return plain.to_image(found[:, 1::-1] * side - 0.5, affine), found[:, 2]

    return run


def _openvino_core() -> Any:
    try:
        with no_openvino_telemetry():
            import openvino
    except ImportError as exc:
        raise NotHereError("openvino is not installed") from exc
    return openvino.Core()


def _there(path: Path) -> Path:
    if not path.exists():
        raise NotHereError(f"{path.name} is not here")
    return path
