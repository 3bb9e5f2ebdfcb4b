"""The `quantize` command: its options, its tables. Imports PyTorch and onnx only when it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from litepose_edge import backends
from litepose_edge.atomic_files import write_file
from litepose_edge.cli.console import messages, results
from litepose_edge.manifest import TopDownSpec
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_edge.networks import DEFAULT_DETECTOR
from litepose_edge.pipelines.detector import PersonDetector
from litepose_export.cli.console import progress, requires, step_by_step
from litepose_export.conversion import sample_inputs
from litepose_export.errors import AccuracyGateError


class TargetName(StrEnum):
    """The CPU an INT8 file is for."""

    AUTO = "auto"
    X86 = "x86"
    X86_VNNI = "x86-vnni"
    ARM = "arm"


class MethodName(StrEnum):
    """How ranges are found."""

    MINMAX = "minmax"
    ENTROPY = "entropy"
    PERCENTILE = "percentile"


# What every quantizer's gate is told.
Gate = Annotated[
    Path | None, typer.Option(help="COCO JSON to judge on; else a quarter is held out.")
]
GatePeople = Annotated[int, typer.Option(min=1, help="Crops to judge on.")]
MaxShift = Annotated[float, typer.Option(help="Median, by an input 256 pixels high.")]
MaxP95 = Annotated[float, typer.Option(help="95th percentile of the same.")]
MaxApDrop = Annotated[float, typer.Option(help="Of 1.")]
MinRecall = Annotated[float, typer.Option(help="Of people found; not for crops.")]
MinOks = Annotated[float, typer.Option(help="Mean similarity of both poses.")]
Force = Annotated[
    bool, typer.Option("--force", help="Write a refused file all the same, and stamp it.")
]


def quantize(
    model: Annotated[Path, typer.Argument(help="Float ONNX file with a manifest.")],
    calibration: Annotated[
        Path, typer.Option(help="COCO JSON, or a folder of photographs to find people in.")
    ],
    out: Annotated[Path, typer.Option(help="The INT8 file to write.")],
    target: Annotated[
        TargetName,
        typer.Option(help="x86 is exact on every x86; x86-vnni needs VNNI; auto asks this CPU."),
    ] = TargetName.X86,
    count: Annotated[int, typer.Option(min=1, help="Calibration inputs.")] = 300,
    method: Annotated[MethodName, typer.Option(help="How ranges are found.")] = MethodName.MINMAX,
    percentile: Annotated[
        float, typer.Option(min=50, max=100, help="What --method percentile keeps.")
    ] = 99.99,
    keep_float: Annotated[
        list[str] | None,
        typer.Option(
            "--float",
            help="What stays float: stem, head, head:N, residual, op:TYPE, TENSOR..TENSOR.",
        ),
    ] = None,
    equalize: Annotated[
        bool, typer.Option("--equalize", help="Like ranges for all channels of hidden tensors.")
    ] = False,
    bias_correction: Annotated[
        bool, typer.Option("--bias-correction", help="Take each layer's mean error out.")
    ] = False,
    adaptive_rounding: Annotated[
        bool,
        typer.Option("--adaptive-rounding", help="Round weights so that errors cancel."),
    ] = False,
    range_search: Annotated[
        bool, typer.Option("--range-search", help="Narrow ranges where keypoints like it.")
    ] = False,
    follow: Annotated[
        int, typer.Option(min=0, help="Steps of fine-tuning INT8 towards the float file.")
    ] = 0,
    search: Annotated[
        bool, typer.Option("--search", help="Leave further nodes float until bounds are met.")
    ] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Rank the nodes by how they move keypoints.")
    ] = False,
    gate: Gate = None,
    gate_people: GatePeople = 300,
    max_shift_px: MaxShift = 0.5,
    max_p95_px: MaxP95 = 3.0,
    max_ap_drop: MaxApDrop = 0.01,
    min_recall: MinRecall = 0.9,
    min_oks: MinOks = 0.9,
    force: Force = False,
    twin: Annotated[
        Path | None, typer.Option(help="Also write the same codes for ARM, to this file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the whole report as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Quantize a float ONNX file to INT8, unless that moves the keypoints too far."""
    with requires("export"):
        from litepose_export.quantization import job
        from litepose_export.quantization.gate.bounds import Bounds
        from litepose_export.quantization.options import DEFAULT_FLOAT, QuantizeOptions
    bounds = Bounds(max_shift_px, max_p95_px, max_ap_drop, min_recall, min_oks)
    options = QuantizeOptions(
        target=target.value,
        count=count,
        method=method.value,
        percentile=percentile,
        float_patterns=tuple(keep_float) if keep_float else DEFAULT_FLOAT,
        equalize=equalize,
        bias_correction=bias_correction,
        adaptive_rounding=adaptive_rounding,
        range_search=range_search,
        follow_steps=follow,
        search=search,
        sensitivity=sensitivity,
        bounds=bounds,
        gate_people=gate_people,
        force=force,
        twin=twin,
    )
    photographs = read_photographs(calibration, model)
    held_out = read_coco(gate) if gate else None
    with judged() as started:
        done = job.quantize(model, out, photographs, options, held_out=held_out, started=started)
    if report is not None:
        write_file(report, (json.dumps(done.to_dict(), indent=2) + "\n").encode())
    if as_json:
        results.file.write(json.dumps(done.to_dict()) + "\n")
        return
    print_quantization(done)


def train_quantized(network: str, options: Any) -> None:
    """`train --qat`: fine-tune the INT8 form of a float pose file and print the report.

    Raises:
        BadParameter: The network is not one whose crops the trainer can make.
    """
    if not network.startswith("lrpose-"):
        raise typer.BadParameter(f"--qat trains the lrpose networks, not '{network}'")
    with requires("export"):
        from litepose_export.training.runs import quantization_aware
    with judged() as started:
        done = quantization_aware.train_quantized(options, started)
    print_quantization(done)


@contextmanager
def judged() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Progress bars; the gate's table after them where it refuses."""
    with progress() as bar:
        try:
            yield step_by_step(bar)
        except AccuracyGateError as exc:
            bar.stop()
            if exc.figures is not None:
                messages.print(figures_table(exc.figures))
            raise


def read_photographs(calibration: Path, model: Path) -> CocoDataset:
    """A COCO file, or a folder whose people the bundled detector finds."""
    if not calibration.is_dir():
        return read_coco(calibration)
    manifest = backends.find_model(model).manifest
    if not isinstance(manifest.model, TopDownSpec):
        return sample_inputs.read_folder(calibration, None)
    found = backends.find_model(DEFAULT_DETECTOR, precision="fp32")
    detector = PersonDetector(found.open(1), found.manifest)
    return sample_inputs.read_folder(calibration, lambda image: detector(image, 0.3)[0])


def figures_table(figures: Any) -> Table:
    """The gate's figures: each keypoint, then all of them."""
    table = Table("keypoint", "joints", "median px", "p95 px", box=None)
    for joint in figures.by_joint:
        cells = (f"{joint.median_px:.3f}", f"{joint.p95_px:.3f}")
        table.add_row(joint.name, str(joint.count), *cells)
    if figures.shift_px is not None:
        cells = (f"{figures.shift_px:.3f}", f"{figures.p95_px:.3f}")
        table.add_row("all", str(figures.joints), *cells)
    for name in ("people", "oks", "recall", "ap_float", "ap_int8", "ap_drop"):
        value = getattr(figures, name)
        if value is not None:
            table.add_row(name, f"{value:.4g}")
    return table


def print_quantization(done: Any) -> None:
    """A quantization's report as tables on stdout."""
    steps = Table("step", "median px", "p95 px", "AP", "seconds", box=None)
    for stage in done.stages:
        figures = (stage.shift_px, stage.p95_px, stage.ap)
        steps.add_row(
            stage.name, *("" if f is None else f"{f:.3f}" for f in figures), str(stage.seconds)
        )
    if done.sensitivity:
        with requires("export"):
            from litepose_export.quantization.mixed_precision.sensitivity import table
        results.print(table(done.sensitivity), markup=False)
    results.print(figures_table(done.gate))
    results.print(steps)
    results.print(f"{done.path}: {done.scheme}, {done.size_bytes} bytes, gate {done.verdict}")
    results.print(f"float: {', '.join(done.float_layers)}", markup=False)
    for complaint in done.complaints:
        results.print(f"overruled: {complaint}", markup=False)
    results.print(str(done.race))
