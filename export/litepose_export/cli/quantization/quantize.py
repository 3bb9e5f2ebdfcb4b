"""`litepose-export quantize`: a float ONNX file to an INT8 file that passed the gate."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

import litepose_export
from litepose_edge.atomic_files import check_targets, write_file
from litepose_edge.cli.options import Images, finite
from litepose_export.cli.console import JsonReport
from litepose_export.cli.given_options import refuse_given, refuse_unread_images
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


class TargetName(str, Enum):
    """The CPU an INT8 file is for."""

    AUTO = "auto"
    X86 = "x86"
    X86_VNNI = "x86-vnni"
    ARM = "arm"


class MethodName(str, Enum):
    """How ranges are found."""

    MINMAX = "minmax"
    ENTROPY = "entropy"
    PERCENTILE = "percentile"


def quantize(
    ctx: typer.Context,
    model: FloatModel,
    calibration: Calibration,
    out: Annotated[Path, typer.Option(help="The INT8 file to write.")],
    target: Annotated[
        TargetName,
        typer.Option(help="x86 is exact on every x86; x86-vnni needs VNNI; auto asks this CPU."),
    ] = TargetName.X86,
    count: Count = 300,
    method: Annotated[MethodName, typer.Option(help="How ranges are found.")] = MethodName.MINMAX,
    percentile: Annotated[
        float,
        typer.Option(callback=finite, min=50, max=100, help="What --method percentile keeps."),
    ] = 99.99,
    keep_float: Annotated[
        list[str] | None,
        typer.Option(
            "--float",
            help="What stays float: stem, head, head:N, residual, op:TYPE, TENSOR..TENSOR.",
        ),
    ] = None,
    equalize: Annotated[
        bool,
        typer.Option("--equalize", help="Cross-layer equalization of hidden channels' ranges."),
    ] = False,
    equalize_groups: Annotated[
        bool,
        typer.Option(
            "--equalize-groups",
            help="The same across sums, ReLU6, depthwise and transposed layers.",
        ),
    ] = False,
    clip_search: Annotated[
        bool,
        typer.Option("--clip-search", help="Narrow ranges where that lowers the output error."),
    ] = False,
    gptq: Annotated[
        bool,
        typer.Option("--gptq", help="GPTQ: round weights so that errors cancel."),
    ] = False,
    finetune_steps: Annotated[
        int, typer.Option(min=0, help="Steps of fine-tuning to the float file's outputs.")
    ] = 0,
    bias_correction: Annotated[
        bool, typer.Option("--bias-correction", help="Take each layer's mean error out.")
    ] = False,
    search: Annotated[
        bool, typer.Option("--search", help="Leave further nodes float until bounds are met.")
    ] = False,
    search_layers: Annotated[
        bool,
        typer.Option("--search-layers", help="The same among layers alone, on few inputs."),
    ] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Rank the nodes by how they move keypoints.")
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
    auto: Annotated[
        bool, typer.Option("--auto", help="Add such steps until the gate passes.")
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(callback=finite, min=0.1, help="With --auto: no attempt begins later."),
    ] = None,
    arm_out: Annotated[
        Path | None, typer.Option(help="Also write the same codes for ARM, to this file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the whole report as JSON.")] = None,
    as_json: JsonReport = False,
) -> None:
    """Quantize a float ONNX file to INT8, unless that moves the keypoints too far."""
    if method is not MethodName.PERCENTILE:
        refuse_given(ctx, ("percentile",), "it goes with --method percentile")
    if search_layers:
        refuse_given(ctx, ("search", "sensitivity"), "they rank all nodes, --search-layers layers")
    refuse_unread_images(ctx, calibration, gate)
    check_targets(out, arm_out, report, sources=(model, calibration, gate))
    with gate_progress() as started:
        done = litepose_export.quantize(
            model,
            out,
            calibration=photographs(calibration, images),
            held_out=None if gate is None else photographs(gate, images),
            target=target.value,
            count=count,
            method=method.value,
            percentile=percentile,
            keep_float=keep_float,
            equalize=equalize,
            equalize_groups=equalize_groups,
            clip_search=clip_search,
            gptq=gptq,
            finetune_steps=finetune_steps,
            bias_correction=bias_correction,
            search=search,
            search_layers=search_layers,
            sensitivity=sensitivity,
            gate_people=gate_people,
            max_shift_px=max_shift_px,
            max_p95_px=max_p95_px,
            max_ap_drop=max_ap_drop,
            min_recall=min_recall,
            min_oks=min_oks,
            force=force,
            auto=auto,
            minutes=minutes,
            arm_out=arm_out,
            progress=started,
        )
    if report is not None:
        write_file(report, (json.dumps(done.to_dict(), indent=2) + "\n").encode())
    print_quantization(done, as_json=as_json)
