"""Reports side by side as text, Markdown, CSV and one HTML page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape
from string import ascii_uppercase

from litepose_edge.measure.bench.report import svg, tables
from litepose_edge.measure.bench.report.comparison import Cell, NamedReport, Row, rows_of
from litepose_edge.measure.bench.report.page import document, html_table
from litepose_edge.measure.bench.report.svg import Bar

REPORT_COLUMNS = ("report", "measured", "machine", "version", "noise: frame, CPU")
MOST_REPORTS = len(ascii_uppercase)


def to_text(named: Sequence[NamedReport]) -> str:
    """For a terminal."""
    parts = [
        tables.aligned(REPORT_COLUMNS, report_rows(named)),
        tables.aligned(columns(named), body_rows(named)),
        *_notes(named),
    ]
    return "\n\n".join(parts) + "\n"


def to_markdown(named: Sequence[NamedReport]) -> str:
    """Tables for a document."""
    parts = [
        "# Benchmarks side by side",
        tables.markdown_table(REPORT_COLUMNS, report_rows(named)),
        tables.markdown_table(columns(named), body_rows(named)),
        *_notes(named),
    ]
    return "\n\n".join(parts) + "\n"


def to_csv(named: Sequence[NamedReport]) -> str:
    """One row a configuration and report."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("configuration", "report", "p50_ms", "cpu_ms", "frame_ratio", "frame_verdict",
         "cpu_ratio", "cpu_verdict")
    )  # fmt: skip
    for row in rows_of(named):
        for one, cell in zip(named, row.cells, strict=True):
            result = cell.result
            if result is None or result.frame_ms is None:
                continue
            verdicts = [
                value
                for comparison in (cell.frame, cell.cpu)
                for value in ((comparison.ratio, comparison.verdict) if comparison else ("", ""))
            ]
            figures = (result.frame_ms.p50, result.cpu_ms_per_frame)
            writer.writerow((row.label, one.name, *figures, *verdicts))
    return text.getvalue()


def to_html(named: Sequence[NamedReport]) -> str:
    """One page that needs nothing else."""
    rows = rows_of(named)
    legend = svg.legend([f"{letter} {one.name}" for letter, one in _lettered(named)])
    body = [
        "<h1>litepose-edge benchmarks side by side</h1>",
        html_table(REPORT_COLUMNS, report_rows(named), words=(1, 2, 3)),
        html_table(columns(named), body_rows(named)),
        *(f'<p class="soft">{escape(note)}</p>' for note in _notes(named)),
        "<h2>Median frame, ms</h2>",
        legend,
        svg.bar_chart("Median frame", _bars(rows, named, cpu=False)),
        "<h2>CPU time a frame, ms</h2>",
        legend,
        svg.bar_chart("CPU time a frame", _bars(rows, named, cpu=True)),
    ]
    return document("litepose-edge benchmarks side by side", body)


def report_rows(named: Sequence[NamedReport]) -> list[tuple[str, ...]]:
    """What each letter stands for, with the noise of its run."""
    rows: list[tuple[str, ...]] = []
    for letter, one in _lettered(named):
        noise = one.report.noise
        floors = () if noise is None else (noise.frame.relative, noise.cpu.relative)
        rows.append(
            (
                f"{letter}  {one.name}",
                one.report.created[:16].replace("T", " "),
                tables.machine_line(one.report),
                tables.version_line(one.report),
                ", ".join(tables.noise_text(floor) for floor in floors) or "not known",
            )
        )
    return rows


def columns(named: Sequence[NamedReport]) -> tuple[str, ...]:
    """Titles of the table of configurations."""
    letters = [letter for letter, _ in _lettered(named)]
    return (
        "configuration",
        *(f"{letter} p50 ms" for letter in letters),
        *(f"{letter} CPU ms" for letter in letters),
        *(f"{letter} against {letters[0]}" for letter in letters[1:]),
    )


def body_rows(named: Sequence[NamedReport]) -> list[tuple[str, ...]]:
    """One row a configuration."""
    return [
        (
            row.label,
            *(_milliseconds(cell, cpu=False) for cell in row.cells),
            *(_milliseconds(cell, cpu=True) for cell in row.cells),
            *(_verdict(cell) for cell in row.cells[1:]),
        )
        for row in rows_of(named)
    ]


def _lettered(named: Sequence[NamedReport]) -> list[tuple[str, NamedReport]]:
    return list(zip(ascii_uppercase, named, strict=False))


def _figure(cell: Cell, *, cpu: bool) -> float | None:
    result = cell.result
    if result is None or result.frame_ms is None:
        return None
    return result.cpu_ms_per_frame if cpu else result.frame_ms.p50


def _milliseconds(cell: Cell, *, cpu: bool) -> str:
    figure = _figure(cell, cpu=cpu)
    return tables.NONE if figure is None else f"{figure:.2f}"


def _verdict(cell: Cell) -> str:
    if cell.result is not None and cell.result.error is not None:
        return "failed"
    if cell.frame is None or cell.cpu is None:
        return tables.NONE
    return (
        f"frame {tables.difference_text(cell.frame)}, "
        f"CPU {tables.difference_text(cell.cpu, 'less', 'more')}"
    )


def _bars(rows: Sequence[Row], named: Sequence[NamedReport], *, cpu: bool) -> list[Bar]:
    """A bar a configuration and report, in the report's colour."""
    bars = []
    for row in rows:
        for index, ((letter, _), cell) in enumerate(zip(_lettered(named), row.cells, strict=True)):
            figure = _figure(cell, cpu=cpu)
            if figure is not None:
                segments = [figure if i == index else 0.0 for i in range(len(named))]
                bars.append(Bar(f"{letter}  {row.label}", segments, f"{figure:.2f} ms"))
    return bars


def _notes(named: Sequence[NamedReport]) -> list[str]:
    notes = [
        "Ratios are of geometric means over the processes; a difference below both runs' noise "
        "floors, or below what chance explains, is called none. What lies between two runs, such "
        "as a machine's temperature, is in neither floor: repeat what matters."
    ]
    sums = {
        (model.name, model.precision): {
            other.sha256
            for one in named
            for other in one.report.models
            if (other.name, other.precision) == (model.name, model.precision)
        }
        for one in named
        for model in one.report.models
    }
    differ = [f"{name} {precision}" for (name, precision), found in sums.items() if len(found) > 1]
    if differ:
        notes.append(f"Not the same weights in all reports: {', '.join(differ)}.")
    return notes
