"""`litepose-edge bench`: speed, CPU time, memory and energy on this machine."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge import backends
from litepose_edge.atomic_files import check_targets, write_files
from litepose_edge.backends import bundled
from litepose_edge.cli import options
from litepose_edge.cli.bench_configurations import DEFAULT, ENGINES, ModeName, configurations
from litepose_edge.cli.console import SOME_FAILED, print_error, progress_bar, results
from litepose_edge.measure.bench.report import tables
from litepose_edge.measure.bench.report.assemble import make_report
from litepose_edge.measure.bench.report.document import (
    MeasuredModel,
    Report,
    json_schema,
    read_report,
    to_json,
)
from litepose_edge.measure.bench.report.page import to_html
from litepose_edge.measure.bench.runs.configuration import (
    SYNTHETIC,
    Configuration,
    MeasurementPlan,
)
from litepose_edge.measure.bench.runs.pipeline import DETECTOR
from litepose_edge.measure.bench.runs.runner import count_runs, run_all
from litepose_edge.measure.bench.runs.worker import choose_meter
from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.state import observe_state
from litepose_edge.sources import open_source

ENERGY_REPEATS = 5
RUNS, ENERGY, OUTPUT = "What is measured", "Energy", "Output"

EXAMPLES = (
    "litepose-edge bench lrpose-n lrpose-s lrpose-m --out report",
    "litepose-edge bench --backend onnxruntime,openvino --mode paced",
    "litepose-edge bench --source clip.mp4 --people found",
)


def bench(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Bundled pose networks and paths of model files; lrpose-s unless given.",
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="'synthetic' for drawn frames, or an image or video file.", rich_help_panel=RUNS
        ),
    ] = SYNTHETIC,
    mode: Annotated[
        ModeName, typer.Option(help="Frames back to back, or at --fps.", rich_help_panel=RUNS)
    ] = (ModeName.THROUGHPUT),
    fps: Annotated[
        float,
        typer.Option(
            min=0.1,
            callback=options.finite,
            help="Frames per second when paced.",
            rich_help_panel=RUNS,
        ),
    ] = 15.0,
    threads: Annotated[
        str | None,
        typer.Option(help="Such as 1,2; 1 and all usable CPUs unless given.", rich_help_panel=RUNS),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help=f"One or more, with commas, of {', '.join(ENGINES)}.", rich_help_panel=RUNS
        ),
    ] = "onnxruntime",
    precision: Annotated[
        str, typer.Option(help="int8, fp32, or both: int8,fp32.", rich_help_panel=RUNS)
    ] = "int8",
    people: Annotated[
        str | None,
        typer.Option(
            help="Boxes to give per frame, such as 1,5,20; 'found' gives none.",
            rich_help_panel=RUNS,
        ),
    ] = None,
    detector_size: options.DetectorSize = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            callback=options.finite,
            help="Length of each measurement.",
            rich_help_panel=RUNS,
        ),
    ] = 3.0,
    repeats: Annotated[
        int, typer.Option(min=2, help="Processes per configuration.", rich_help_panel=RUNS)
    ] = 5,
    spinning: Annotated[
        bool,
        typer.Option(
            help="When paced, also measure ONNX Runtime with spinning, its default.",
            rich_help_panel=RUNS,
        ),
    ] = True,
    energy: Annotated[
        bool,
        typer.Option(help="Measure energy as well, with --mode paced.", rich_help_panel=ENERGY),
    ] = False,
    energy_seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            callback=options.finite,
            help="Length of each of five energy windows.",
            rich_help_panel=ENERGY,
        ),
    ] = 10.0,
    idle_seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            callback=options.finite,
            help="Length of the idle windows between them.",
            rich_help_panel=ENERGY,
        ),
    ] = 5.0,
    meter: Annotated[
        str | None,
        typer.Option(help="Name of the energy meter; see --list-meters.", rich_help_panel=ENERGY),
    ] = None,
    meter_log: Annotated[
        Path | None,
        typer.Option(help="Log file that an external meter is writing.", rich_help_panel=ENERGY),
    ] = None,
    meter_log_start: Annotated[
        float | None,
        typer.Option(
            callback=options.finite,
            help="When its clock started, in seconds since 1970.",
            rich_help_panel=ENERGY,
        ),
    ] = None,
    watts_per_core: Annotated[
        float | None,
        typer.Option(
            min=0,
            callback=options.finite,
            help="Model the energy instead: CPU seconds times this.",
            rich_help_panel=ENERGY,
        ),
    ] = None,
    battery_wh: Annotated[
        float | None,
        typer.Option(
            "--battery-wh",
            min=0.001,
            callback=options.finite,
            help="Estimate how long a battery of so many watt-hours lasts.",
            rich_help_panel=ENERGY,
        ),
    ] = None,
    list_meters: Annotated[
        bool,
        typer.Option(
            "--list-meters",
            help="Print this machine's energy meters and exit.",
            rich_help_panel=ENERGY,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for bench.json, .md, .csv and .html.", rich_help_panel=OUTPUT),
    ] = None,
    read: Annotated[
        Path | None,
        typer.Option(help="Measure nothing, show an earlier bench.json.", rich_help_panel=OUTPUT),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the JSON document.", rich_help_panel=OUTPUT)
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the JSON document's schema and exit.", rich_help_panel=OUTPUT
        ),
    ] = False,
) -> None:
    """Measure speed, CPU time, memory and energy on this machine.

    Every configuration runs in processes of its own, in turns with the others, and the first one
    twice: differences below the noise of these two are not called differences.
    """
    if schema:
        results.file.write(json.dumps(json_schema(), indent=2) + "\n")
        return
    if list_meters:
        _print_meters()
        return
    if read is not None:
        _give(read_report(read), out, as_json=as_json)
        return
    if energy and mode is not ModeName.PACED:
        raise typer.BadParameter("energy is measured at a fixed frame rate: add --mode paced")
    if not energy and (meter, meter_log, watts_per_core, battery_wh) != (None,) * 4:
        raise typer.BadParameter("options of the energy meter and the battery need --energy")
    planned = configurations(
        models or [DEFAULT],
        source,
        mode,
        fps,
        backend=backend,
        precision=precision,
        threads=threads,
        people=people,
        detector_size=detector_size,
        spinning=spinning,
    )
    plan = MeasurementPlan(
        repeats=repeats,
        seconds=seconds,
        energy_repeats=ENERGY_REPEATS if energy else 0,
        energy_s=energy_seconds,
        idle_s=idle_seconds,
        meter=meter,
        meter_log=str(meter_log) if meter_log else None,
        meter_log_began_s=meter_log_start,
        watts_per_core=watts_per_core,
        battery_wh=battery_wh,
    )
    models_found = _check(planned, plan)
    if out is not None:
        check_targets(out / "bench.json")
    report = _measure(planned, plan, models_found)
    _give(report, out, as_json=as_json)
    failed = [result for result in report.results if result.error is not None]
    for result in failed:
        print_error(f"{result.label}: {result.error}")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _check(planned: list[Configuration], plan: MeasurementPlan) -> list[MeasuredModel]:
    """Open models, source and meter once, so that a mistake is reported before minutes pass."""
    found_models = []
    if plan.energy_repeats:
        chosen = choose_meter(plan)
        if isinstance(chosen, str) and plan.meter is not None:
            raise typer.BadParameter(f"--meter: {chosen}")
    for key in dict.fromkeys((c.model, c.precision, c.backend) for c in planned):
        found = backends.find_model(key[0], precision=key[1], backend=key[2])
        given = any(c.people is not None for c in planned if c.model == key[0])
        if given and found.manifest.finds_people:
            raise typer.BadParameter(
                f"{key[0]} finds people itself: measure it with --people found"
            )
        found_models.append(_described(found))
        if not (found.manifest.finds_people or all(c.people is not None for c in planned)):
            found_models.append(_described(backends.find_model(DETECTOR, backend=key[2])))
    source = planned[0].source
    if source != SYNTHETIC:
        with closing(open_source(source)) as opened:
            next(iter(opened.frames))
    return list(dict.fromkeys(found_models))


def _described(model: backends.Model) -> MeasuredModel:
    content = bundled.read(model.path)
    return MeasuredModel(
        name=model.manifest.name,
        precision=model.manifest.precision,
        file=model.path.name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _measure(
    planned: list[Configuration], plan: MeasurementPlan, models: list[MeasuredModel]
) -> Report:
    began = datetime.now(timezone.utc)
    machine, before = describe_machine(), observe_state()
    with progress_bar() as bar:
        task = bar.add_task("bench", total=count_runs(planned, plan))
        started = 0

        def progress(label: str) -> None:
            nonlocal started
            bar.update(task, completed=started, description=label)
            started += 1

        runs = run_all(planned, plan, progress)
    return make_report(
        runs,
        plan,
        machine,
        (before, observe_state()),
        began=began,
        command=" ".join(["litepose-edge", *sys.argv[1:]]),
        models=models,
    )


def _give(report: Report, out: Path | None, *, as_json: bool) -> None:
    """Write the files, print the table or the document."""
    if out is not None:
        write_files(
            {
                out / "bench.json": to_json(report),
                out / "bench.md": tables.to_markdown(report).encode(),
                out / "bench.csv": tables.to_csv(report).encode(),
                out / "bench.html": to_html(report).encode(),
            }
        )
    if as_json:
        results.file.write(to_json(report).decode())
        return
    results.file.write(tables.to_text(report))
    if out is not None:
        results.print(f"report: {out / 'bench.html'}", markup=False)


def _print_meters() -> None:
    from litepose_edge.measure.energy import find_meters

    found = find_meters()
    for meter in found.meters:
        about = meter.about
        results.print(f"{about.name}: {about.domain}", markup=False)
        results.print(f"  resolution: {about.resolution}", markup=False)
        results.print(f"  uncertainty: {about.uncertainty}", markup=False)
    for missing in found.missing:
        results.print(f"{missing.kind}: not usable: {missing.reason}", markup=False)
