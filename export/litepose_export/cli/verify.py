"""`litepose-export verify`: a float ONNX file against its checkpoint, once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_export.cli.console import (
    JsonReport,
    need,
    print_report,
    spinner,
)


def verify(
    model: Annotated[Path, typer.Argument(help="ONNX file that this command line exported.")],
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint it was exported from.")],
    as_json: JsonReport = False,
) -> None:
    """Compare a float ONNX file with the checkpoint it came from, once more."""
    pipeline = need("litepose_export.conversion.export")
    with spinner() as step:
        report = pipeline.verify(model, checkpoint, step=step)
    print_report(report, as_json=as_json)
