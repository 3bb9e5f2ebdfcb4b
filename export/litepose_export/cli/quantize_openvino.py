"""The `quantize-openvino` command; imports NNCF only when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli.console import results
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.cli.console import requires
from litepose_export.cli.quantize import (
    Force,
    Gate,
    GatePeople,
    MaxApDrop,
    MaxP95,
    MaxShift,
    MinOks,
    MinRecall,
    judged,
    print_quantization,
    read_photographs,
)


def quantize_openvino(
    model: Annotated[Path, typer.Argument(help="Float ONNX file with a manifest.")],
    calibration: Annotated[
        Path, typer.Option(help="COCO JSON, or a folder of photographs to find people in.")
    ],
    out: Annotated[Path, typer.Option(help="The .xml to write; .bin and .xml.json beside it.")],
    count: Annotated[int, typer.Option(min=1, help="Calibration inputs.")] = 300,
    accurate_bias: Annotated[
        bool, typer.Option("--accurate-bias", help="Slower, layer by layer bias correction.")
    ] = False,
    gate: Gate = None,
    gate_people: GatePeople = 300,
    max_shift_px: MaxShift = 0.5,
    max_p95_px: MaxP95 = 3.0,
    max_ap_drop: MaxApDrop = 0.01,
    min_recall: MinRecall = 0.9,
    min_oks: MinOks = 0.9,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Quantize a float ONNX file to INT8 OpenVINO IR with NNCF, through the same gate."""
    with requires("nncf"):
        from litepose_export.quantization.gate.bounds import Bounds
        from litepose_export.quantization.nncf_ir import IrOptions, quantize_ir
    bounds = Bounds(max_shift_px, max_p95_px, max_ap_drop, min_recall, min_oks)
    options = IrOptions(
        count=count,
        accurate_bias=accurate_bias,
        bounds=bounds,
        gate_people=gate_people,
        force=force,
    )
    photographs = read_photographs(calibration, model)
    held_out = read_coco(gate) if gate else None
    with judged() as started:
        done = quantize_ir(model, out, photographs, options, held_out=held_out, started=started)
    if as_json:
        results.file.write(json.dumps(done.to_dict()) + "\n")
        return
    print_quantization(done)
