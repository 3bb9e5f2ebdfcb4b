"""Reads ONNX files, ours and those of others, as the runtime does: whole, with their manifest."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from litepose_edge.atomic_files import read_file
from litepose_edge.backends import files, sidecar
from litepose_edge.errors import ModelError, ModelFileMissingError
from litepose_edge.manifest import METADATA_KEY, Manifest, manifest_from_metadata
from litepose_export.errors import ExportError

# What other commands or tools read.
OTHERS = {
    ".xml": "an OpenVINO IR: give the ONNX file it was made from (quantize-openvino writes IR)",
    ".tflite": "a tflite file: give the ONNX file, or quantize it with TensorFlow's own converter",
    ".ort": "ONNX Runtime's own format: give the ONNX file it was made from",
    ".pt": "a PyTorch checkpoint: make an ONNX file of it first, with litepose-export export",
    ".pth": "a PyTorch checkpoint: make an ONNX file of it first, with litepose-export export",
}


def read_onnx(path: Path) -> tuple[onnx.ModelProto, Manifest]:
    """A graph with all its weights, and its manifest: the one inside, else the one beside it.

    Raises:
        ModelFileMissingError: There is no such file, or one that it keeps its weights in.
        ModelIntegrityError: The manifest beside it describes other bytes.
        ManifestError: There is none, or it is invalid.
        ModelError: It is damaged, or keeps weights outside of its folder.
        ExportError: It is of another format.
    """
    if path.suffix in OTHERS:
        raise ExportError(f"{path} is {OTHERS[path.suffix]}")
    model = load_graph(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if METADATA_KEY not in metadata and sidecar.path_of(path).exists():
        return model, sidecar.read(files.read(path))
    return model, manifest_from_metadata(metadata, path)


def load_graph(path: Path) -> onnx.ModelProto:
    """A graph with all its weights.

    Raises:
        ModelFileMissingError: There is no such file, or one that it keeps its weights in.
        ModelError: It is no ONNX file, damaged, or keeps weights outside of its folder.
    """
    try:
        model = onnx.load_from_string(read_file(path))
    except OSError as exc:
        raise ModelFileMissingError(f"cannot read the model {path}: {exc.strerror}") from exc
    except (DecodeError, UnicodeDecodeError, ValueError) as exc:
        raise ModelError(
            f"{path} is no ONNX file, or a damaged one: {_first_line(exc)}; get or export it again"
        ) from exc
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except OSError as exc:
        raise ModelFileMissingError(
            f"{path} keeps weights in a file beside it that cannot be read: {exc}"
        ) from exc
    except (onnx.checker.ValidationError, ValueError) as exc:
        raise ModelError(f"{path} keeps weights where they are not read: {exc}") from exc
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as exc:
        raise ModelError(
            f"{path} is no valid ONNX graph: {_first_line(exc)}; get or export it again"
        ) from exc
    return model


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [""])[0] or type(exc).__name__
