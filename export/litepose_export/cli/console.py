"""What the exporter's commands share: optional packages, progress, reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from litepose_edge.cli.console import messages, results
from litepose_export.optional import requires

__all__ = [
    "JsonReport",
    "importable_here",
    "print_report",
    "progress",
    "requires",
    "spinner",
    "step_by_step",
]

JsonReport = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def progress(*, shown: bool = True) -> Progress:
    """A progress bar on stderr with room for a note, if it is to be shown."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:5.1f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=messages.rich,
        disable=not shown,
    )


def step_by_step(bar: Progress) -> Callable[[str, int], Callable[[], None]]:
    """Shows one bar a step: `started(what, total)` ends the last one and returns `advance`."""
    last: list[Any] = []

    def started(what: str, total: int) -> Callable[[], None]:
        if last:
            bar.update(last.pop(), completed=1, total=1)
        task = bar.add_task(what, total=max(total, 1), note="")
        last.append(task)
        return lambda: bar.advance(task)

    return started


def print_report(report: dict[str, Any], *, as_json: bool) -> None:
    """A report on stdout."""
    if as_json:
        results.file.write(json.dumps(report) + "\n")
        return
    for name, value in report.items():
        results.print(f"{name:<20} {value}", markup=False)


@contextmanager
def spinner() -> Iterator[Callable[[str], None]]:
    """A spinner beside the name of the step under way."""
    with messages.status("") as status:
        yield status.update


@contextmanager
def importable_here() -> Iterator[None]:
    """Modules of the current folder can be imported, as with `python -m`."""
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")
