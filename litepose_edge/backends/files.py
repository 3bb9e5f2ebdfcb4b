"""A model's bytes, in one file or in two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from litepose_edge.backends import bundled


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model as it lies on disk.

    Attributes:
        path: The model file.
        content: Its bytes.
        weights: Bytes of the `.bin` beside an OpenVINO `.xml`, else None.
    """

    path: Path
    content: bytes
    weights: bytes | None = None

    @property
    def needs_openvino(self) -> bool:
        """Whether OpenVINO alone reads it."""
        return self.path.suffix in (".xml", ".tflite")

    @property
    def needs_onnxruntime(self) -> bool:
        """Whether ONNX Runtime alone reads it."""
        return self.path.suffix == ".ort"


def read(path: Path) -> ModelFiles:
    """Read a model.

    Raises:
        ModelFileMissingError: It, or its weights, cannot be read.
        ModelIntegrityError: A bundled file was changed.
    """
    content = bundled.read(path)
    weights = bundled.read(path.with_suffix(".bin")) if path.suffix == ".xml" else None
    return ModelFiles(path, content, weights)
