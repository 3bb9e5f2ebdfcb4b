"""Opens models: finds the file, loads it with an inference engine, checks it by its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Literal

from litepose_edge.backends import bundled, files, sidecar, telemetry
from litepose_edge.backends.bundled import Precision
from litepose_edge.backends.external_data import whole_model
from litepose_edge.backends.files import ModelFiles
from litepose_edge.backends.session import Session, TensorSpec
from litepose_edge.errors import (
    BackendUnavailableError,
    ManifestError,
    ModelError,
    UnsupportedModelError,
    install_hint,
)
from litepose_edge.manifest import METADATA_KEY, Manifest, manifest_from_metadata, output_names
from litepose_edge.manifest.checks import shortened

# Before any engine loads: each is imported only when it is first needed.
telemetry.switch_off()

Backend = Literal["onnxruntime", "openvino"]

__all__ = [
    "Backend",
    "Model",
    "Opened",
    "Precision",
    "Session",
    "TensorSpec",
    "find_model",
    "open_bytes",
    "open_files",
    "u8s8_is_exact",
]


@dataclass(frozen=True, slots=True)
class Model:
    """A model file in memory and its manifest; opens as many sessions as are wanted.

    Attributes:
        path: Where it came from.
        manifest: What it carries.
    """

    path: Path
    manifest: Manifest
    _files: ModelFiles
    _backend: Backend
    _first: tuple[int, Session]

    def open(self, threads: int) -> Session:
        """A session with this many threads; the one opened on loading is reused if it fits."""
        if self._first[0] == threads:
            return self._first[1]
        return open_files(self._files, self._backend, threads).session

    @property
    def loadable(self) -> bytes:
        """What the engine is given, in the form for this processor; nothing in it names a file."""
        return self._files.loadable

    def close(self) -> None:
        """Free the session opened on loading, whether it was used or not; twice is fine."""
        self._first[1].close()


def find_model(
    model: str | PathLike[str],
    *,
    precision: Precision | None = None,
    backend: Backend = "onnxruntime",
    threads: int = 1,
    manifest: Manifest | None = None,
) -> Model:
    """Find, check and load a model.

    Args:
        model: A bundled name such as `"lrpose-s"`, or the path of a file: ONNX, with ONNX Runtime
            also its own `.ort`, with OpenVINO also IR (`.xml`) and `.tflite`.
        precision: `"int8"` or `"fp32"`: which bundled file, or what a file must be. None takes
            INT8 for a name and whatever a file is.
        backend: `"onnxruntime"` or `"openvino"`.
        threads: Threads of the first session.
        manifest: The manifest of a file that has none inside; else the one beside it is read.

    Raises:
        ModelError: No such file, damaged, without a valid manifest, of the other precision, or
            INT8 of a kind that this CPU would compute wrongly.
        BackendUnavailableError: The backend is not installed.
        ValueError: There is no such precision or backend.
    """
    if precision not in (None, "int8", "fp32"):
        raise ValueError(f"precision must be 'int8' or 'fp32', got {precision!r:.100}")
    named = bundled.is_name(model)
    path = bundled.find(str(model), precision or "int8") if named else Path(model)
    content = files.read(path)
    if manifest is None and not named and sidecar.path_of(path).is_file():
        manifest = sidecar.read(content)
    opened = open_files(content, backend, threads)
    if METADATA_KEY in opened.metadata or manifest is None:
        # The manifest inside a file takes precedence over one beside it, or one given here.
        manifest = manifest_from_metadata(opened.metadata, path)
    if precision is not None and manifest.precision != precision:
        raise ModelError(
            f"{path} is {manifest.precision}, but precision='{precision}' was asked for"
        )
    _check_tensors(manifest, opened, path)
    quantized = manifest.quantization
    if quantized is not None and quantized.scheme == "u8s8" and not u8s8_is_exact():
        raise UnsupportedModelError(
            f"{path} holds full-range U8S8 weights, whose sums saturate on this CPU; quantize "
            "it with --target x86 (reduced range, exact everywhere) or run the FP32 file"
        )
    return Model(path, manifest, content, backend, (threads, opened.session))


@cache
def u8s8_is_exact() -> bool:
    """Whether this CPU multiplies full-range U8S8 exactly (VNNI and ARM do, AVX2 does not)."""
    from litepose_edge.backends import onnxruntime_session

    return onnxruntime_session.is_exact(bundled.read(bundled.FOLDER / bundled.PROBE))


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, with the names of its outputs and the metadata of its file."""

    session: Session
    outputs: tuple[str, ...]
    metadata: dict[str, str]


def open_files(model: ModelFiles, backend: Backend, threads: int) -> Opened:
    """Load a model with an engine, without looking at a manifest.

    Raises:
        ModelError: The engine cannot load it.
        BackendUnavailableError: The engine is not installed.
    """
    match backend:
        case "onnxruntime":
            if model.needs_openvino:
                raise ModelError(f'ONNX Runtime does not read {model.path}: use backend="openvino"')
            from litepose_edge.backends import onnxruntime_session

            session = onnxruntime_session.OnnxRuntimeSession(model.loadable, threads)
            return Opened(session, session.outputs, session.metadata)
        case "openvino":
            if model.needs_onnxruntime:
                raise ModelError(f"OpenVINO does not read {model.path}, ONNX Runtime's own format")
            try:
                from litepose_edge.backends import openvino_session
            except ImportError as exc:
                raise BackendUnavailableError(
                    f"backend 'openvino' is not installed. {install_hint('openvino')}"
                ) from exc
            opened = openvino_session.OpenVinoSession(model, threads)
            return Opened(opened, opened.outputs, opened.metadata)
        case _:
            raise ValueError(f"backend must be 'onnxruntime' or 'openvino', got {backend!r:.100}")


def open_bytes(content: bytes, *, threads: int = 1, backend: Backend = "onnxruntime") -> Session:
    """Open an ONNX model that is in memory, with or without a manifest.

    Args:
        content: The bytes of an ONNX file.
        threads: Threads of the session.
        backend: `"onnxruntime"` or `"openvino"`.

    Raises:
        ModelError: The backend cannot load it, or it keeps weights in a file.
        BackendUnavailableError: The backend is not installed.
    """
    whole, _ = whole_model(None, content)
    return open_files(ModelFiles(Path("model.onnx"), whole), backend, threads).session


# What the engines call the elements of an input. OpenVINO converts float32 to half by itself.
_ELEMENTS = {
    "float32": ("tensor(float)", "f32", "f16", "bf16"),
    "uint8": ("tensor(uint8)", "u8"),
}


def _check_tensors(manifest: Manifest, opened: Opened, path: Path) -> None:
    """Whether graph and manifest agree; a size the graph leaves open the manifest decides."""
    expected, shape = manifest.input.shape, opened.session.input.shape
    agrees = len(shape) == 4 and all(
        isinstance(found, str) or found == wanted
        for found, wanted in zip(shape[1:], expected, strict=True)
    )
    if not agrees:
        raise ManifestError(
            f"{path}: the manifest says (N, {', '.join(map(str, expected))}) input, "
            f"the graph has {shape}"
        )
    taken = opened.session.input.dtype
    if taken not in _ELEMENTS[manifest.input.dtype]:
        raise ManifestError(
            f"{path}: the manifest says {manifest.input.dtype} input, the graph takes {taken}"
        )
    missing = [n for n in output_names(manifest) if n not in opened.outputs]
    if missing:
        raise ManifestError(
            f"{path}: the manifest reads output '{missing[0][:100]}', the graph has "
            f"{shortened(', '.join(opened.outputs))}"
        )
