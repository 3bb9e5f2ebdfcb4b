"""Puts the commands together and turns errors into exit codes."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from litepose_edge.cli.console import print_error, run_command
from litepose_export.cli import (
    export,
    list_networks,
    manifest,
    ort,
    pack,
    plot,
    portable,
    publish,
    search,
    train,
    verify,
)
from litepose_export.cli.quantization import quantize, quantize_openvino
from litepose_export.cli.renamed import RENAMED_OPTIONS
from litepose_export.errors import ExportError

app = typer.Typer(
    name="litepose-export",
    help="PyTorch checkpoints to verified ONNX and INT8 files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # two plain columns: choices stay whole on 80 columns
)
for name, command, example in (
    ("list", list_networks.list_networks, "list lrpose-s"),
    ("train", train.train, "train lrpose-s --data people.json --out run --minutes 60"),
    ("pack", pack.pack, "pack --data people.json --out shards"),
    (
        "search",
        search.search,
        "search lrpose --data train.json --dev dev.json --out found --cost int8-latency "
        "--budget 8 --minutes 60",
    ),
    ("plot", plot.plot, "plot run --out run.svg"),
    ("export", export.export, "export lrpose-s --checkpoint run/last.pt --out s.onnx"),
    (
        "manifest",
        manifest.manifest,
        "manifest --head heatmaps --size 192x192 --skeleton train.json --out net.json",
    ),
    ("verify", verify.verify, "verify s.onnx --checkpoint run/last.pt"),
    ("quantize", quantize.quantize, "quantize s.onnx --calibration photos --out s.int8.onnx"),
    (
        "quantize-openvino",
        quantize_openvino.quantize_openvino,
        "quantize-openvino s.onnx --calibration photos --out s.xml",
    ),
    ("ort", ort.ort, "ort s.int8.onnx --out s.ort"),
    ("portable", portable.portable, "portable lrpose-s --out portable.onnx"),
    ("publish", publish.publish, "publish models"),
):
    app.command(name, epilog=f"Example: litepose-export {example}")(command)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    return run_command(
        app,
        arguments,
        print_error,
        model_errors=(ExportError,),
        renamed_options=RENAMED_OPTIONS,
    )
