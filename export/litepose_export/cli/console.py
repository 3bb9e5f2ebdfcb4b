"""What the exporter's commands share: parts that may be missing, progress, reports."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from litepose_edge.cli.console import messages, results
from litepose_edge.errors import BackendUnavailableError


def need(module: str, extra: str = "export") -> Any:
    """Import a module of the exporter.

    Args:
        module: Which.
        extra: The extra that brings what it needs.

    Raises:
        BackendUnavailableError: What it needs is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise BackendUnavailableError(
            f"{exc.name} is not installed. Run: pip install 'litepose-edge[{extra}]'"
        ) from exc


def progress() -> Progress:
    """A progress bar on stderr with room for a note."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:5.1f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=messages,
    )


def step_by_step(bar: Progress) -> Callable[[str, int], Callable[[], None]]:
    """Shows one bar a step: `started(what, total)` ends the last one and gives a tick."""
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
