"""What both quantizers' commands share: options of the gate, photographs, progress, tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from litepose_edge.cli.console import messages, results
from litepose_edge.cli.options import finite
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_export.cli.console import progress, requires, step_by_step
from litepose_export.errors import AccuracyGateError
from litepose_export.figures import GateFigures

if TYPE_CHECKING:
    from litepose_export.quantization.options import QuantizationReport

FloatModel = Annotated[Path, typer.Argument(help="Float ONNX file with a manifest.")]
Calibration = Annotated[
    Path, typer.Option(help="COCO JSON, or a folder of photographs to find people in.")
]
Count = Annotated[int, typer.Option(min=1, help="Calibration inputs.")]
Gate = Annotated[
    Path | None,
    typer.Option(help="COCO JSON that the gate compares on; else a quarter of --calibration."),
]
GatePeople = Annotated[
    int, typer.Option(min=1, help="Crops that the gate compares; photographs, if no crops.")
]
MaxShift = Annotated[
    float,
    typer.Option(
        callback=finite, help="Bound: median shift of keypoints, in pixels of a crop 256 high."
    ),
]
MaxP95 = Annotated[
    float, typer.Option(callback=finite, help="Bound: 95th percentile of the shift.")
]
MaxApDrop = Annotated[
    float, typer.Option(callback=finite, help="Bound: loss of average precision, of 1.")
]
MinRecall = Annotated[
    float,
    typer.Option(
        callback=finite, help="Bound: part of the float file's people found again; not for crops."
    ),
]
MinOks = Annotated[
    float, typer.Option(callback=finite, help="Bound: mean similarity (OKS) of both files' poses.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Write the file even if the gate refuses it, and stamp it.")
]


def photographs(labels: Path, images: Sequence[Path] | None) -> Path | CocoDataset:
    """A COCO file read with the folders of its photographs; without them, the path itself."""
    return labels if not images or labels.is_dir() else read_coco(labels, images)


@contextmanager
def gate_progress() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """Progress bars; the gate's table after them where it refuses."""
    with progress() as bar:
        try:
            yield step_by_step(bar)
        except AccuracyGateError as exc:
            bar.stop()
            if exc.figures is not None:
                messages.print(_figures_table(exc.figures))
            raise


def print_quantization(report: QuantizationReport, *, as_json: bool) -> None:
    """A quantization's report on stdout, as tables or as JSON."""
    if as_json:
        results.file.write(json.dumps(report.to_dict()) + "\n")
        return
    if report.sensitivity:
        with requires("export"):
            from litepose_export.quantization.mixed_precision.sensitivity import table
        results.print(table(report.sensitivity), markup=False)
    for attempt in report.attempts:
        results.print(f"refused: {attempt}", markup=False)
    results.print(_figures_table(report.gate))
    steps = Table("step", "median px", "p95 px", "AP", "seconds", box=None)
    for step in report.steps:
        figures = (step.shift_px, step.p95_px, step.ap)
        cells = ("" if figure is None else f"{figure:.3f}" for figure in figures)
        steps.add_row(step.name, *cells, str(step.seconds))
    results.print(steps)
    results.print(
        f"{report.path}: {report.scheme}, {report.size_bytes} bytes, gate {report.verdict}"
    )
    results.print(f"float: {', '.join(report.float_layers)}", markup=False)
    if report.integer_part is not None:
        results.print(f"INT8: {report.integer_part:.0%} of the multiply-accumulates")
    if report.shortage:
        messages.print(f"warning: {report.shortage}; the file says gate 'too few'", markup=False)
    for failure in report.failures:
        results.print(f"written in spite of: {failure}", markup=False)
    results.print(str(report.latency))


def _figures_table(figures: GateFigures) -> Table:
    """The gate's figures: each keypoint, then all of them, with their 95 % intervals."""
    table = Table("keypoint", "joints", "median px", "p95 px", box=None)
    spread = {name: f"{a:.3g} to {b:.3g}" for name, (a, b) in figures.intervals.items()}
    for joint in figures.by_joint:
        cells = (f"{joint.median_px:.3f}", f"{joint.p95_px:.3f}")
        table.add_row(joint.name, str(joint.count), *cells)
    if figures.shift_px is not None:
        cells = (f"{figures.shift_px:.3f}", f"{figures.p95_px:.3f}")
        table.add_row("all", str(figures.joints), *cells)
        if "shift_px" in spread:
            table.add_row("95 % interval", "", spread["shift_px"], spread["p95_px"])
    for name in ("people", "oks", "recall", "ap_float", "ap_int8", "ap_drop"):
        value = getattr(figures, name)
        if value is not None:
            table.add_row(name, f"{value:.4g}", spread.get(name, ""))
    return table
