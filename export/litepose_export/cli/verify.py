"""`litepose-export verify`: a float ONNX file against its checkpoint, once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_export.cli.console import (
    JsonReport,
    print_report,
    requires,
    spinner,
)


def verify(
    model: Annotated[Path, typer.Argument(help="ONNX file that this command line exported.")],
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint it was exported from.")],
    as_json: JsonReport = False,
) -> None:
    """Compare a float ONNX file with the checkpoint it came from, once more."""
    with requires("export"):
        from litepose_export.conversion import export as conversion
    with spinner() as step:
        report = conversion.verify(model, checkpoint, step=step)
    print_report(report, as_json=as_json)
