"""`litepose-export quantize-openvino`: a float ONNX file to INT8 OpenVINO IR with NNCF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.atomic_files import check_targets
from litepose_edge.cli.options import Images
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.cli.console import JsonReport, requires
from litepose_export.cli.given_options import refuse_unread_images
from litepose_export.cli.quantization.gate import (
    Calibration,
    Count,
    FloatModel,
    Force,
    Gate,
    GatePeople,
    MaxApDrop,
    MaxP95,
    MaxShift,
    MinOks,
    MinRecall,
    gate_progress,
    photographs,
    print_quantization,
)


def quantize_openvino(
    ctx: typer.Context,
    model: FloatModel,
    calibration: Calibration,
    out: Annotated[Path, typer.Option(help="The .xml to write; .bin and .xml.json beside it.")],
    count: Count = 300,
    accuracy_aware: Annotated[
        bool,
        typer.Option(
            "--accuracy-aware", help="Leave operations in float until the bounds are met (slow)."
        ),
    ] = False,
    accurate_bias: Annotated[
        bool, typer.Option("--accurate-bias", help="Slower, layer by layer bias correction.")
    ] = False,
    gate: Gate = None,
    images: Images = None,
    gate_people: GatePeople = 300,
    max_shift_px: MaxShift = 0.5,
    max_p95_px: MaxP95 = 3.0,
    max_ap_drop: MaxApDrop = 0.01,
    min_recall: MinRecall = 0.9,
    min_oks: MinOks = 0.9,
    force: Force = False,
    as_json: JsonReport = False,
) -> None:
    """Quantize a float ONNX file to INT8 OpenVINO IR with NNCF, through the same gate."""
    refuse_unread_images(ctx, calibration, gate)
    with requires("nncf"):
        from litepose_export.conversion.onnx_file import read_onnx
        from litepose_export.conversion.sample_inputs import read_photographs
        from litepose_export.quantization.gate.bounds import Bounds
        from litepose_export.quantization.nncf_ir import IrOptions, quantize_ir
    check_targets(out, sources=(model, calibration, gate))
    options = IrOptions(
        count=count,
        accuracy_aware=accuracy_aware,
        accurate_bias=accurate_bias,
        bounds=Bounds(max_shift_px, max_p95_px, max_ap_drop, min_recall, min_oks),
        gate_people=gate_people,
        force=force,
    )
    _, manifest = read_onnx(model)
    found = photographs(calibration, images)
    seen = read_photographs(found, manifest) if isinstance(found, Path) else found
    held_out = read_coco(gate, images) if gate else None
    with gate_progress() as started:
        done = quantize_ir(model, out, seen, options, held_out=held_out, started=started)
    print_quantization(done, as_json=as_json)
