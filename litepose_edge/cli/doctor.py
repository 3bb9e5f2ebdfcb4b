"""`litepose-edge doctor`: what this machine has and whether the bundled models run on it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from litepose_edge.cli.console import MODEL_OR_BACKEND, messages, results
from litepose_edge.measure.doctor.diagnosis import Diagnosis, diagnose, json_schema, to_json
from litepose_edge.measure.doctor.engines import EngineReport

COLUMN = 12


EXAMPLES = ("litepose-edge doctor --json",)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON document's schema and exit.")
    ] = False,
) -> None:
    """Examine this machine and try the models on it.

    Prints processor, limits, inference engines, models, energy meters, and advice.

    Each engine is tried in a process of its own, so that one built for another processor cannot
    end this command. Exit code 3: the default engine does not work.
    """
    if schema:
        results.file.write(json.dumps(json_schema(), indent=2) + "\n")
        return
    with messages.status("trying the engines"):
        found = diagnose()
    if as_json:
        results.file.write(to_json(found) + "\n")
    else:
        for name, value in _lines(found):
            results.print(f"{name:<{COLUMN}} {value}", markup=False)
    if not found.works:
        raise typer.Exit(MODEL_OR_BACKEND)


def _lines(found: Diagnosis) -> list[tuple[str, str]]:
    """What is printed: a title, and what belongs to it."""
    return [
        ("python", f"{found.python} on {found.system}"),
        *([("board", found.board)] if found.board else []),
        *_about_processor(found),
        *(("package", f"{name} {version or '-'}") for name, version in found.packages.items()),
        *(line for engine in found.engines for line in _about_engine(engine)),
        ("int8", found.int8.why),
        *(("energy", f"{m.name}, {m.kind}: {m.domain}") for m in found.meters),
        *(("no meter", f"{m.kind}: {m.reason}") for m in found.missing_meters),
        *(("advice", sentence) for sentence in found.advice),
    ]


def _about_processor(found: Diagnosis) -> list[tuple[str, str]]:
    processor, limits, state = found.processor, found.limits, found.state
    if processor.features is None:
        features = "not known on this system"
    else:
        has = [name for name, there in processor.features.items() if there]
        lacks = [name for name, there in processor.features.items() if not there]
        features = (", ".join(has) or "none") + (f"; not {', '.join(lacks)}" if lacks else "")
    affinity = "" if limits.affinity is None else f", {len(limits.affinity)} by affinity"
    quota = "" if limits.quota is None else f", the time of {limits.quota:g} by control group"
    lines = [
        ("cpu", f"{processor.name} ({processor.architecture})"),
        ("features", features),
        ("threads", f"{found.usable_threads} usable: {limits.cpus} processors{affinity}{quota}"),
        ("governor", ", ".join(found.governor) or "not visible"),
    ]
    if state.frequency_mhz:
        lines.append(("frequency", ", ".join(f"{mhz} MHz" for mhz in state.frequency_mhz)))
    if state.temperature_c:
        hottest = max(state.temperature_c.values())
        lines.append(("temperature", f"{hottest:.0f} C at the hottest sensor"))
    throttle = ", ".join(f"{name} {value}" for name, value in state.throttle.items())
    lines.append(("throttling", throttle or "no signs of it"))
    return lines


def _about_engine(engine: EngineReport) -> list[tuple[str, str]]:
    if engine.findings is None:
        return [("engine", f"{engine.name}: {engine.trouble or engine.state}")]
    found = engine.findings
    lines = [("engine", f"{engine.name} {found.version}: works")]
    for model in found.models:
        loads = f"{model.file}: loads, {model.scheme}" if model.error is None else model.error
        lines.append(("  model", f"{model.name} {model.precision}: {loads}"))
    if found.people_on_black is not None:
        lines.append(("  predict", f"runs ({found.people_on_black} people found in a black image)"))
    if found.full_range_exact is not None:
        exact = "exact" if found.full_range_exact else "saturates"
        lines.append(("  full range", f"U8S8 {exact}"))
    if found.int8_of_fp32 is not None:
        lines.append(("  speed", f"INT8 takes {found.int8_of_fp32:.2f} of FP32's time"))
    return lines
