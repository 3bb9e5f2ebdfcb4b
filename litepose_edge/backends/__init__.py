"""Opens models: which file, which engine, and whether the two agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Literal

from litepose_edge import manifest
from litepose_edge.backends import bundled
from litepose_edge.backends.session import Session, TensorSpec
from litepose_edge.errors import (
    BackendUnavailableError,
    ManifestError,
    ModelError,
    UnsupportedModelError,
)
from litepose_edge.manifest import Manifest

Backend = Literal["onnxruntime", "openvino"]

__all__ = ["Backend", "Model", "Session", "TensorSpec", "find_model", "u8s8_is_exact"]


@dataclass(frozen=True, slots=True)
class Model:
    """A model file in memory and its contract; opens as many sessions as are wanted.

    Attributes:
        path: Where it came from.
        manifest: What it carries.
    """

    path: Path
    manifest: Manifest
    _bytes: bytes
    _backend: Backend
    _first: tuple[int, Session]

    def open(self, threads: int) -> Session:
        """A session with this many threads; the one opened on loading is reused if it fits."""
        if self._first[0] == threads:
            return self._first[1]
        return _open(self._bytes, self._backend, threads)[0]


def find_model(
    model: str | PathLike[str],
    *,
    precision: str | None = None,
    backend: Backend = "onnxruntime",
    threads: int = 1,
) -> Model:
    """Find, check and load a model.

    Args:
        model: A bundled name such as `"lrpose-s"`, or the path of a file.
        precision: `"int8"` or `"fp32"`: which bundled file, or what a file must be. None takes
            INT8 for a name and whatever a file is.
        backend: `"onnxruntime"` or `"openvino"`.
        threads: Threads of the first session.

    Raises:
        ModelError: No such file, damaged, without a valid manifest, of the other precision, or
            INT8 of a kind that this CPU would compute wrongly.
        BackendUnavailableError: The backend is not installed.
    """
    named = bundled.is_name(model)
    path = bundled.find(str(model), precision or "int8") if named else Path(model)
    content = bundled.read(path)
    session, metadata = _open(content, backend, threads)
    contract = manifest.from_metadata(metadata, path)
    if precision is not None and contract.precision != precision:
        raise ModelError(
            f"{path} is {contract.precision}, but precision='{precision}' was asked for"
        )
    _check_input(contract, session.input, path)
    quantized = contract.quantization
    if quantized is not None and quantized.scheme == "u8s8" and not u8s8_is_exact():
        raise UnsupportedModelError(
            f"{path} holds full-range U8S8 weights, whose sums saturate on this CPU; quantize "
            "it with --target x86 (reduced range, exact everywhere) or run the FP32 file"
        )
    return Model(path, contract, content, backend, (threads, session))


@cache
def u8s8_is_exact() -> bool:
    """Whether this CPU multiplies full-range U8S8 exactly (VNNI and ARM do, AVX2 does not)."""
    from litepose_edge.backends import _onnxruntime

    return _onnxruntime.is_exact(bundled.read(bundled.FOLDER / bundled.PROBE))


def _open(content: bytes, backend: Backend, threads: int) -> tuple[Session, dict[str, str]]:
    match backend:
        case "onnxruntime":
            from litepose_edge.backends import _onnxruntime

            session = _onnxruntime.OnnxRuntimeSession(content, threads)
            return session, session.metadata
        case "openvino":
            try:
                from litepose_edge.backends import _openvino
            except ImportError as exc:
                raise BackendUnavailableError(
                    "backend 'openvino' is not installed. "
                    "Run: pip install 'litepose-edge[openvino]'"
                ) from exc
            vino = _openvino.OpenVinoSession(content, threads)
            return vino, vino.metadata
        case _:
            raise ValueError(f"backend must be 'onnxruntime' or 'openvino', got {backend!r}")


def _check_input(contract: Manifest, spec: TensorSpec, path: Path) -> None:
    expected: tuple[int, ...] = (3, contract.input.height, contract.input.width)
    if contract.input.dtype == "uint8":
        expected = (contract.input.height, contract.input.width, 3)
    if len(spec.shape) != 4 or tuple(spec.shape[1:]) != expected:
        raise ManifestError(
            f"{path}: the manifest says (N, {', '.join(map(str, expected))}) input, "
            f"the graph has {spec.shape}"
        )
