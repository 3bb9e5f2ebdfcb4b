"""A model's bytes, in one file or with its weights in others, in the form for this processor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from litepose_edge.backends import bundled
from litepose_edge.backends.external_data import whole_model
from litepose_edge.backends.onnx_version import check_version
from litepose_edge.backends.signed_activations import with_signed_activations


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as it lies on disk.

    Attributes:
        path: The model file.
        content: Its bytes.
        weights: Bytes of the `.bin` beside an OpenVINO `.xml`, or of the files in which an ONNX
            file keeps its weights (external data), else None.
        whole: An ONNX file with its external data inside, or in its form for ARM, where that
            differs from the file, else None.
    """

    path: Path
    content: bytes
    weights: bytes | None = None
    whole: bytes | None = None

    @property
    def loadable(self) -> bytes:
        """What an engine is given: nothing in it names a file."""
        return self.content if self.whole is None else self.whole

    @property
    def needs_openvino(self) -> bool:
        """Whether OpenVINO alone reads it."""
        return self.path.suffix in (".xml", ".tflite")

    @property
    def needs_onnxruntime(self) -> bool:
        """Whether ONNX Runtime alone reads it."""
        return self.path.suffix == ".ort"


def read(path: Path) -> ModelFiles:
    """Read a model. On ARM, INT8 files of ours get signed activations.

    Raises:
        ModelFileMissingError: It, or its weights, cannot be read.
        ModelIntegrityError: A bundled file was changed.
        ModelError: An ONNX file is damaged, of no version, or names weights outside of its folder.
    """
    content = bundled.read(path)
    match path.suffix:
        case ".xml":
            return ModelFiles(path, content, bundled.read(path.with_suffix(".bin")))
        case ".tflite" | ".ort":
            return ModelFiles(path, content)
        case _:
            check_version(path, content)
            whole, weights = whole_model(path, content)
            if bundled.is_arm():
                whole = with_signed_activations(whole)
            if whole is not content and path.parent == bundled.FOLDER:
                content = whole  # checked by now, so one copy is enough
            return ModelFiles(path, content, weights, None if whole is content else whole)
