"""`litepose-export ort`: an ONNX file to ONNX Runtime's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_export.cli.console import (
    JsonReport,
    print_report,
    requires,
)


def ort(
    model: Annotated[Path, typer.Argument(help="ONNX file with a manifest, float or INT8.")],
    out: Annotated[Path, typer.Option(help="The .ort file to write.")],
    arm: Annotated[
        bool, typer.Option("--arm", help="For ARM: an INT8 file gets signed activations.")
    ] = False,
    as_json: JsonReport = False,
) -> None:
    """Convert to ONNX Runtime's own format, which its reduced builds for devices read."""
    with requires("export"):
        from litepose_export.conversion import ort_format
    print_report(ort_format.convert(model, out, arm=arm).to_dict(), as_json=as_json)
