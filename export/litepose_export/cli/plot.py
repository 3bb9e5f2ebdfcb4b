"""`litepose-export plot`: loss and AP of training runs as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli.console import results
from litepose_export.cli.console import requires


def plot(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or their log.csv.")],
    out: Annotated[Path, typer.Option(help="PNG or SVG to draw.")],
) -> None:
    """Draw loss and AP of training runs over the steps."""
    with requires("plot"):
        from litepose_export.training.runs import plot as drawing
    drawing.draw(runs, out)
    results.print(str(out), markup=False)
