"""Puts the commands together and turns errors into exit codes."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from litepose_edge.cli.console import complain, run_command
from litepose_export.cli import (
    export,
    list_networks,
    ort,
    pack,
    plot,
    publish,
    quantize,
    quantize_openvino,
    train,
    verify,
)
from litepose_export.errors import ExportError

app = typer.Typer(
    name="litepose-export",
    help="PyTorch checkpoints to verified ONNX and INT8 files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("train")(train.train)
app.command("pack")(pack.pack)
app.command("plot")(plot.plot)
app.command("list")(list_networks.list_networks)
app.command("export")(export.export)
app.command("verify")(verify.verify)
app.command("quantize")(quantize.quantize)
app.command("quantize-openvino")(quantize_openvino.quantize_openvino)
app.command("ort")(ort.ort)
app.command("publish")(publish.publish)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    return run_command(app, arguments, complain, model_errors=(ExportError,))
