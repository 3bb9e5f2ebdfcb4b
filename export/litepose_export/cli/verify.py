"""`litepose-export verify`: a float ONNX file against its checkpoint, once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import litepose_export
from litepose_export.cli.console import (
    JsonReport,
    importable_here,
    print_report,
    spinner,
)


def verify(
    model: Annotated[Path, typer.Argument(help="ONNX file that this command line exported.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint it was exported from.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="One of `litepose-export list`, the .json of a search, or your own: "
            "my_package.nets:build; unless given the checkpoint's or the manifest's."
        ),
    ] = None,
    as_json: JsonReport = False,
) -> None:
    """Compare a float ONNX file with the checkpoint it came from, once more."""
    with spinner() as step, importable_here():
        report = litepose_export.verify(model, network, checkpoint=checkpoint, progress=step)
    print_report(report, as_json=as_json)
