"""What an inference engine can do on this machine; runs in a process of its own.

python -m litepose_edge.measure.doctor.examination ENGINE RESULT.json
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from litepose_edge import backends
from litepose_edge.backends import Backend, Model, Precision, bundled
from litepose_edge.backends.telemetry import no_openvino_telemetry
from litepose_edge.errors import LitePoseError
from litepose_edge.estimator import Estimator
from litepose_edge.measure.timing import time_in_turns

ROUNDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """A bundled model on this machine.

    Attributes:
        name: Its name.
        precision: `"int8"` or `"fp32"`.
        file: The file that this machine gets.
        scheme: How it is quantized, or `"float"`.
        error: Why it does not load; None where it does.
    """

    name: str
    precision: Precision
    file: str | None = None
    scheme: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found out about an engine by using it.

    Attributes:
        version: As the package states it.
        models: The bundled models in it.
        people_on_black: People found in a black image; None where the models do not load.
        full_range_exact: Whether full-range U8S8 sums are exact; None for OpenVINO, which is not
            asked.
        int8_of_fp32: INT8's time divided by FP32's, for one crop on one thread; None where
            either does not load.
    """

    version: str
    models: tuple[ModelState, ...]
    people_on_black: int | None = None
    full_range_exact: bool | None = None
    int8_of_fp32: float | None = None


def examine(engine: Backend) -> Findings:
    """Load every bundled model, time both precisions, run the whole pipeline on a black image.

    Raises:
        ImportError: The engine is not installed or does not import.
    """
    version = _version(engine)
    states, opened = [], {}
    for name in bundled.names():
        for precision in bundled.precisions(name):
            state, model = _load(name, precision, engine)
            states.append(state)
            opened[name, precision] = model
    people = None
    if all(state.error is None for state in states):
        with Estimator(backend=engine) as estimator:
            people = len(estimator.predict(np.zeros((240, 320, 3), np.uint8)))
    return Findings(
        version=version,
        models=tuple(states),
        people_on_black=people,
        full_range_exact=backends.u8s8_is_exact() if engine == "onnxruntime" else None,
        int8_of_fp32=_ratio(*(opened.get(("lrpose-s", p)) for p in ("int8", "fp32"))),
    )


def _version(engine: Backend) -> str:
    if engine == "onnxruntime":
        import onnxruntime

        return str(onnxruntime.__version__)
    with no_openvino_telemetry():
        import openvino

    return str(openvino.__version__)


def _load(name: str, precision: Precision, engine: Backend) -> tuple[ModelState, Model | None]:
    try:
        model = backends.find_model(name, precision=precision, backend=engine)
    except LitePoseError as exc:
        return ModelState(name=name, precision=precision, error=str(exc)), None
    quantization = model.manifest.quantization
    state = ModelState(
        name=name,
        precision=precision,
        file=model.path.name,
        scheme=quantization.scheme if quantization else "float",
    )
    return state, model


def _ratio(first: Model | None, second: Model | None) -> float | None:
    """The first one's time divided by the second's, timed in turns."""
    if first is None or second is None:
        return None
    sessions = first.open(1), second.open(1)
    shape = (1, *first.manifest.input.shape)
    batch = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    times = time_in_turns(
        {"first": lambda: sessions[0].run(batch), "second": lambda: sessions[1].run(batch)},
        rounds=ROUNDS,
    )
    return round(times.median_ratio("first", "second"), 3)


def main() -> None:
    """Write the findings."""
    engine, result = sys.argv[1:3]
    if engine not in ("onnxruntime", "openvino"):
        raise ValueError(f"expected onnxruntime or openvino, got {engine!r}")
    findings = examine("onnxruntime" if engine == "onnxruntime" else "openvino")
    Path(result).write_bytes(msgspec.json.encode(findings))


if __name__ == "__main__":
    main()
