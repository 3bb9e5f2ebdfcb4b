"""The exporter's branch of the error tree."""

from __future__ import annotations

from litepose_edge.errors import LitePoseError
from litepose_export.figures import GateFigures


class ExportError(LitePoseError):
    """A network could not be exported, quantized or published."""


class CheckpointError(ExportError):
    """A checkpoint cannot be read, or does not fit the network."""


class UnsupportedOpError(ExportError):
    """A graph holds an operator that this step cannot handle."""


class ParityError(ExportError):
    """The exported graph does not compute what the PyTorch network computes."""


class AccuracyGateError(ExportError):
    """Quantization moved the keypoints further than allowed; nothing was written.

    Attributes:
        figures: What the gate measured, where it got so far.
    """

    def __init__(self, message: str, figures: GateFigures | None = None) -> None:
        super().__init__(message)
        self.figures = figures


class SearchError(ExportError):
    """A search cannot be run as asked, or its folder holds another one."""
