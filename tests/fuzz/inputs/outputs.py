"""What networks answer: arrays of any shape, dtype and value where the manifest promises others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.manifest import parse_manifest
from tests.fuzz import networks
from tests.fuzz.inputs.manifests import predict
from tests.fuzz.kinds import Answer, InputClass

DTYPES = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool", "str")
FILLS = (
    "uniform", "normal", "zeros", "ones", "large", "huge", "tiny", "nan", "inf", "-inf", "one nan",
)  # fmt: skip

Outputs = dict[str, tuple[int, ...]]


def _cases() -> list[tuple[dict[str, Any], Outputs]]:
    udp = {**networks.HEATMAPS, "alignment": "udp", "refinement": "dark-udp"}
    quarter = {**networks.HEATMAPS, "refinement": "quarter", "activation": "sigmoid"}
    oks = {**networks.HEATMAPS, "refinement": "expected-oks", "activation": "sigmoid"}
    maps: Outputs = {"o": (1, 17, 16, 16)}
    cases: list[tuple[dict[str, Any], Outputs]] = [
        (networks.topdown(heatmaps=h), maps) for h in (networks.HEATMAPS, udp, quarter, oks)
    ]
    bins: Outputs = {"x": (1, 17, 128), "y": (1, 17, 128)}
    cases += [
        (networks.topdown(simcc={"x": "x", "y": "y", "activation": a}), bins)
        for a in ("linear", "softmax")
    ]
    table: Outputs = {"o": (1, 17, 3)}
    cases += [
        (networks.topdown(regression={"output": "o", "unit": u}), table)
        for u in ("image", "pixels")
    ]
    cases.append((networks.bottomup(), {"c": (1, 34, 16, 16), "f": (1, 17, 32, 32)}))
    return cases + _one_stage() + _detectors()


def _one_stage() -> list[tuple[dict[str, Any], Outputs]]:
    yolo: dict[str, Any] = {"kind": "yolo-pose"}
    formats: list[tuple[dict[str, Any], Outputs]] = [
        (yolo, {"a": (1, 56, 84)}),
        ({**yolo, "classes": 3, "person": 1}, {"a": (1, 58, 84)}),
        ({**yolo, "end_to_end": True, "unit": "image"}, {"a": (1, 9, 57)}),
        ({"kind": "rtmo"}, {"a": (1, 9, 5), "b": (1, 9, 17, 3)}),
    ]
    return [
        (networks.onestage(output_format, list(outputs)), outputs)
        for output_format, outputs in formats
    ]


def _detectors() -> list[tuple[dict[str, Any], Outputs]]:
    formats: list[tuple[Any, Outputs, list[int]]] = [
        ("persondet", {"a": (1, 5, 8, 8), "b": (1, 5, 4, 4)}, [8, 16]),
        ({"kind": "yolox"}, {"a": (1, 80, 7)}, [8, 16]),
        ({"kind": "gfl"}, {"a": (1, 80, 34)}, [8, 16]),
        ({"kind": "gfl"}, {"a": (1, 2, 8, 8), "b": (1, 32, 8, 8)}, [8]),
        ({"kind": "rtmdet"}, {"a": (1, 1, 8, 8), "b": (1, 4, 8, 8)}, [8]),
        ({"kind": "fastestdet"}, {"a": (1, 7, 8, 8)}, [8]),
        ({"kind": "decoded", "columns": ["x1", "y1", "x2", "y2", "score"]}, {"a": (1, 9, 5)}, []),
        ({"kind": "decoded", "unit": "image"}, {"a": (9, 4), "b": (9,), "c": (9,)}, []),
    ]
    return [
        (networks.detector(output_format, list(outputs), strides), outputs)
        for output_format, outputs, strides in formats
    ]


def seeds() -> list[bytes]:
    """For each kind of head, arrays as its manifest promises them."""
    return [
        json.dumps(
            {
                "manifest": networks.document(model),
                "outputs": {
                    name: {"shape": shape, "dtype": "float32", "fill": "uniform"}
                    for name, shape in outputs.items()
                },
            }
        ).encode()
        for model, outputs in _cases()
    ]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """One or two outputs of another shape, dtype or value."""
    case = json.loads(sound[int(rng.integers(len(sound)))])
    for _ in range(int(rng.integers(1, 3))):
        output = case["outputs"][str(rng.choice(list(case["outputs"])))]
        match int(rng.integers(4)):
            case 0:
                output["dtype"] = str(rng.choice(DTYPES))
            case 1:
                output["shape"] = _other_shape(rng, output["shape"])
            case _:
                output["fill"] = str(rng.choice(FILLS))
    return json.dumps(case).encode()


def _other_shape(rng: np.random.Generator, shape: list[int]) -> list[int]:
    shape = list(shape)
    if not shape:
        return [1]
    at = int(rng.integers(len(shape)))
    match int(rng.integers(5)):
        case 0:
            del shape[at]
        case 1:
            shape.insert(at, 1)
        case 2:
            shape[at] = int(rng.choice([0, 1, 2]))
        case 3:
            shape[at] = max(shape[at] + int(rng.choice([-1, 1])), 0)
        case _:
            shape.reverse()
    return shape


def _array(spec: dict[str, Any], seed: int) -> NDArray[Any]:
    rng, shape = np.random.default_rng(seed), tuple(spec["shape"])
    if spec["dtype"] == "str":
        return np.full(shape, "x", object)
    fill = spec["fill"]
    if fill == "one nan":
        values = rng.uniform(0, 1, shape)
        values.reshape(-1)[: 1 if values.size else 0] = np.nan
    elif fill in ("uniform", "normal"):
        values = rng.uniform(0, 1, shape) if fill == "uniform" else rng.normal(0, 5, shape)
    else:
        amounts = {"zeros": 0.0, "ones": 1.0, "large": 1e4, "huge": 3e38, "tiny": 1e-42}
        values = np.full(shape, amounts[fill] if fill in amounts else float(fill))
    with np.errstate(all="ignore"):
        array: NDArray[Any] = values.astype(spec["dtype"])
    return array


def run(path: Path) -> Answer:
    """Make the network and predict with it."""
    case = json.loads(path.read_bytes())
    arrays = {name: _array(o, i) for i, (name, o) in enumerate(case["outputs"].items())}
    model = path.with_suffix(".onnx")
    model.write_bytes(networks.with_manifest(networks.constants(arrays), case["manifest"]))
    return predict(model, parse_manifest(json.dumps(case["manifest"])))


CLASS = InputClass(".json", seeds, mutate, run)
