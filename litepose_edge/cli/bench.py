"""`litepose-edge bench`: speed, CPU time, memory and energy on this machine."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from datetime import datetime, timezone
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Annotated, cast

import typer

from litepose_edge import backends
from litepose_edge.atomic_files import check_targets, write_files
from litepose_edge.backends import Backend
from litepose_edge.backends.bundled import is_name
from litepose_edge.cli import options
from litepose_edge.cli.console import SOME_FAILED, print_error, progress_bar, results
from litepose_edge.measure.bench.report import tables
from litepose_edge.measure.bench.report.assemble import make_report
from litepose_edge.measure.bench.report.document import (
    Report,
    json_schema,
    read_report,
    to_json,
)
from litepose_edge.measure.bench.report.page import to_html
from litepose_edge.measure.bench.runs.configuration import (
    SYNTHETIC,
    Configuration,
    EngineName,
    MeasurementPlan,
    Precision,
)
from litepose_edge.measure.bench.runs.runner import count_runs, run_all
from litepose_edge.measure.bench.runs.worker import choose_meter
from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.state import observe_state
from litepose_edge.sources import open_source
from litepose_edge.threads import available_threads

DEFAULT_MODEL = "lrpose-s"
ENGINES = ("onnxruntime", "openvino", "onnxruntime-spinning")
SPINNING: EngineName = "onnxruntime-spinning"
PRECISIONS = ("int8", "fp32")
FOUND = "found"
ENERGY_REPEATS = 5


class ModeName(str, Enum):
    """How frames follow one another."""

    THROUGHPUT = "throughput"
    PACED = "paced"


EXAMPLES = ("litepose-edge bench --backend onnxruntime,openvino --out report",)


def bench(
    model: Annotated[
        str, typer.Argument(help="'default', a bundled pose network, or the path of a model file.")
    ] = "default",
    source: Annotated[
        str, typer.Option(help="'synthetic' for drawn frames, or an image or video file.")
    ] = SYNTHETIC,
    mode: Annotated[ModeName, typer.Option(help="Frames back to back, or at --fps.")] = (
        ModeName.THROUGHPUT
    ),
    fps: Annotated[
        float, typer.Option(min=0.1, callback=options.finite, help="Frames per second when paced.")
    ] = 15.0,
    threads: Annotated[
        str | None, typer.Option(help="Such as 1,2; 1 and all usable CPUs unless given.")
    ] = None,
    backend: Annotated[
        str, typer.Option(help=f"One or more, with commas, of {', '.join(ENGINES)}.")
    ] = "onnxruntime",
    precision: Annotated[str, typer.Option(help="int8, fp32, or both: int8,fp32.")] = "int8",
    people: Annotated[
        str | None,
        typer.Option(help="Boxes to give per frame, such as 1,5,20; 'found' gives none."),
    ] = None,
    detector_size: options.DetectorSize = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, callback=options.finite, help="Length of each measurement.")
    ] = 3.0,
    repeats: Annotated[int, typer.Option(min=2, help="Processes per configuration.")] = 5,
    spinning: Annotated[
        bool, typer.Option(help="When paced, also measure ONNX Runtime with spinning, its default.")
    ] = True,
    energy: Annotated[
        bool, typer.Option(help="Measure energy as well, with --mode paced.")
    ] = False,
    energy_seconds: Annotated[
        float,
        typer.Option(
            min=0.1, callback=options.finite, help="Length of each of five energy windows."
        ),
    ] = 10.0,
    idle_seconds: Annotated[
        float,
        typer.Option(
            min=0.1, callback=options.finite, help="Length of the idle windows between them."
        ),
    ] = 5.0,
    meter: Annotated[
        str | None, typer.Option(help="Name of the energy meter; see --list-meters.")
    ] = None,
    meter_log: Annotated[
        Path | None, typer.Option(help="Log file that an external meter is writing.")
    ] = None,
    meter_log_start: Annotated[
        float | None,
        typer.Option(
            callback=options.finite, help="When its clock started, in seconds since 1970."
        ),
    ] = None,
    watts_per_core: Annotated[
        float | None,
        typer.Option(
            min=0, callback=options.finite, help="Model the energy instead: CPU seconds times this."
        ),
    ] = None,
    battery_wh: Annotated[
        float | None,
        typer.Option(
            "--battery-wh",
            min=0.001,
            callback=options.finite,
            help="Estimate how long a battery of so many watt-hours lasts.",
        ),
    ] = None,
    list_meters: Annotated[
        bool, typer.Option("--list-meters", help="Print this machine's energy meters and exit.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for bench.json, .md, .csv and .html.")
    ] = None,
    read: Annotated[
        Path | None, typer.Option(help="Measure nothing, show an earlier bench.json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON document.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON document's schema and exit.")
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
    model = DEFAULT_MODEL if model == "default" else model
    engines = cast(list[EngineName], _among(backend, ENGINES, "--backend"))
    configurations = _configurations(
        model,
        source,
        mode,
        fps,
        engines=engines,
        precisions=cast(list[Precision], _among(precision, PRECISIONS, "--precision")),
        threads=[options.possible_threads(n) or n for n in _counts(threads, "--threads")]
        or sorted({1, available_threads()}),
        people=_people(people, source, finds_people=_finds_people(model, engines[0])),
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
    _check(configurations, plan)
    if out is not None:
        check_targets(out / "bench.json")
    report = _measure(configurations, plan)
    _give(report, out, as_json=as_json)
    failed = [result for result in report.results if result.error is not None]
    for result in failed:
        print_error(f"{result.label}: {result.error}")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _configurations(
    model: str,
    source: str,
    mode: ModeName,
    fps: float,
    *,
    engines: list[EngineName],
    precisions: list[Precision],
    threads: list[int],
    people: list[int | None],
    detector_size: int | None,
    spinning: bool,
) -> list[Configuration]:
    """Every combination; the last number of threads first: the baseline is the default."""
    if detector_size is not None and None not in people:
        raise typer.BadParameter("--detector-size is for people that are found: add --people found")
    wanted = list(engines)
    if spinning and mode is ModeName.PACED and "onnxruntime" in engines and SPINNING not in wanted:
        wanted.append(SPINNING)
    order = sorted(threads, reverse=True)
    combinations = product(people, precisions, order, wanted)
    # A path says its precision itself; asking for the other one would be an error.
    of_file = not is_name(model)
    return [
        Configuration(
            model=model,
            engine=engine,
            precision=None if of_file else weights,
            threads=count,
            people=number,
            mode=mode.value,
            fps=fps,
            source=source,
            detector_size=detector_size if number is None else None,
        )
        for number, weights, count, engine in combinations
        # One thread never waits, and the spinning engine runs the pose network alone.
        if not (engine == SPINNING and SPINNING not in engines and (count == 1 or number is None))
        and not (of_file and weights != precisions[0])
    ]


def _check(configurations: list[Configuration], plan: MeasurementPlan) -> None:
    """Open models, source and meter once, so that a mistake is reported before minutes pass."""
    if plan.energy_repeats:
        chosen = choose_meter(plan)
        if isinstance(chosen, str) and plan.meter is not None:
            raise typer.BadParameter(f"--meter: {chosen}")
    for key in dict.fromkeys((c.model, c.precision, c.backend) for c in configurations):
        found = backends.find_model(key[0], precision=key[1], backend=key[2])
        given = any(c.people is not None for c in configurations)
        if given and found.manifest.finds_people:
            raise typer.BadParameter(
                f"{key[0]} finds people itself: measure it with --people found"
            )
    source = configurations[0].source
    if source != SYNTHETIC:
        with closing(open_source(source)) as opened:
            next(iter(opened.frames))


def _measure(configurations: list[Configuration], plan: MeasurementPlan) -> Report:
    began = datetime.now(timezone.utc)
    machine, before = describe_machine(), observe_state()
    with progress_bar() as bar:
        task = bar.add_task("bench", total=count_runs(configurations, plan))
        started = 0

        def progress(label: str) -> None:
            nonlocal started
            bar.update(task, completed=started, description=label)
            started += 1

        runs = run_all(configurations, plan, progress)
    return make_report(
        runs,
        plan,
        machine,
        (before, observe_state()),
        began=began,
        command=" ".join(["litepose-edge", *sys.argv[1:]]),
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


def _among(text: str, allowed: tuple[str, ...], option: str) -> list[str]:
    chosen = list(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in chosen:
        if name not in allowed:
            raise typer.BadParameter(f"{option}: '{name}' is none of {', '.join(allowed)}")
    return chosen


def _counts(text: str | None, option: str) -> list[int]:
    if text is None:
        return []
    counts = [int(part) if part.strip().isdigit() else 0 for part in text.split(",")]
    if min(counts) < 1:
        raise typer.BadParameter(f"{option}: expected numbers from 1 on such as 1,2, got '{text}'")
    return list(dict.fromkeys(counts))


def _finds_people(model: str, engine: EngineName) -> bool:
    """Whether a file's network takes no boxes; bundled ones all do."""
    backend: Backend = "openvino" if engine == "openvino" else "onnxruntime"
    return not is_name(model) and backends.find_model(model, backend=backend).manifest.finds_people


def _people(text: str | None, source: str, *, finds_people: bool) -> list[int | None]:
    """How many boxes are given; None for those the detector finds, or the network itself."""
    if text is None:
        return [1] if source == SYNTHETIC and not finds_people else [None]
    return [
        None if part.strip() == FOUND else _counts(part, "--people")[0] for part in text.split(",")
    ]
