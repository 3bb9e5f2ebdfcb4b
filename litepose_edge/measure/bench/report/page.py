"""A report as one HTML file that needs nothing else: tables, and plots drawn in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from litepose_edge.measure.bench.report import svg, tables
from litepose_edge.measure.bench.report.document import Report, Result
from litepose_edge.measure.bench.report.svg import Bar, Curve
from litepose_edge.measure.bench.runs.figures import QUANTILES
from litepose_edge.measure.machine.state import MachineState

STYLE = """
:root { --ink: #1c2126; --soft: #5c6670; --line: #d8dde2; --paper: #fff; --shade: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #9aa5b0; --line: #39424b; --paper: #15191d; --shade: #1f252b; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 960px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.soft, .number { color: var(--soft); }
.warn { border-left: 3px solid #d55e00; padding-left: .7rem; }
.wide { overflow-x: auto; margin-bottom: 1rem; } table { border-collapse: collapse; font-size: 13px;
  width: 100%; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td { font-variant-numeric: tabular-nums; } tr:nth-child(even) td { background: var(--shade); }
th:first-child, td:first-child, td.words, th.words { text-align: left; }
td:first-child { min-width: 11rem; } td.words { min-width: 9rem; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 13px; fill: var(--ink); }
svg text.number { font-size: 12px; fill: var(--soft); } svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; } svg line { stroke: var(--line); }
svg polyline { fill: none; stroke-width: 2; }
.legend span { display: inline-block; margin-right: 1.2rem; font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; margin-right: .4rem; }
"""


def to_html(report: Report) -> str:
    """The whole page."""
    body = [
        "<h1>litepose-edge benchmark</h1>",
        f'<p class="soft">{escape(tables.machine_line(report))}<br>'
        f"{escape(tables.version_line(report))}<br>{escape(report.created)}"
        + (f"<br><code>{escape(report.command)}</code>" if report.command else "")
        + "</p>",
        *(f'<p class="warn">{escape(warning)}</p>' for warning in report.warnings),
        html_table(
            tables.COLUMNS[: tables.FIRST_TEXT_COLUMN],
            [row[: tables.FIRST_TEXT_COLUMN] for row in tables.rows(report)],
        ),
        html_table(
            (tables.COLUMNS[0], *tables.COLUMNS[tables.FIRST_TEXT_COLUMN :]),
            [(row[0], *row[tables.FIRST_TEXT_COLUMN :]) for row in tables.rows(report)],
            words=(1, 2),
        ),
        *(f'<p class="soft">{escape(n)}</p>' for n in tables.footnotes(report)[:2]),
        *_plots([result for result in report.results if result.frame_ms is not None]),
    ]
    if cold := tables.cold_rows(report):
        body += ["<h2>Cold start and memory</h2>", html_table(tables.COLD_COLUMNS, cold)]
    if energy := tables.energy_rows(report):
        body += ["<h2>Energy</h2>", html_table(("configuration", "net"), energy, words=(1,))]
    if models := tables.model_rows(report):
        body += ["<h2>Models</h2>", html_table(tables.MODEL_COLUMNS, models, words=(1, 3))]
    body += ["<h2>Machine</h2>", html_table(("", ""), _machine(report), words=(1,))]
    return document("litepose-edge benchmark", body)


def document(title: str, body: Sequence[str]) -> str:
    """A page of its own.

    Args:
        title: Plain text.
        body: HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def _plots(results: list[Result]) -> list[str]:
    if not results:
        return []
    curves = [Curve(r.label, r.frame_ms.quantiles) for r in results if r.frame_ms is not None]
    positions = [f"{q:g}" for q in QUANTILES[:-1]] + ["max"]
    cpu = [
        Bar(
            r.label,
            (r.user_ms_per_frame or 0.0, r.system_ms_per_frame or 0.0),
            f"{r.cpu_ms_per_frame or 0.0:.2f} ms",
        )
        for r in results
    ]
    stages = [
        Bar(
            r.label,
            [ms or 0.0 for ms in tables.stages_of(r)],
            f"{sum(ms or 0.0 for ms in tables.stages_of(r)):.2f} ms",
        )
        for r in results
        if any(tables.stages_of(r))
    ]
    parts = [
        "<h2>Frame time by percentile, ms</h2>",
        svg.legend([curve.label for curve in curves]),
        svg.curve_plot("Frame time by percentile", positions, curves, "ms"),
        "<h2>CPU time a frame</h2>",
        svg.legend(("user", "system")),
        svg.bar_chart("CPU time a frame", cpu),
    ]
    if stages:
        parts += [
            "<h2>Stages, one crop after the other</h2>",
            '<p class="soft">The detector is a part of the frame only where it finds the '
            "people.</p>",
            svg.legend(tables.STAGE_COLUMNS[1:]),
            svg.bar_chart("Stages of a frame", stages),
        ]
    return parts


def _machine(report: Report) -> list[tuple[str, str]]:
    machine = report.machine
    packages = ", ".join(f"{name} {version or '-'}" for name, version in machine.packages.items())
    affinity = "unknown" if machine.affinity is None else ", ".join(map(str, machine.affinity))
    return [
        ("processor", machine.cpu),
        ("board", machine.board or "not stated"),
        ("instructions", ", ".join(machine.isa) or "unknown"),
        ("system", machine.system),
        ("virtual", {True: "yes", False: "no", None: "unknown"}[machine.virtual]),
        ("affinity", f"{affinity} of {machine.cpus} CPUs"),
        ("governor", ", ".join(machine.governor) or "not visible"),
        ("before", _state(report.before)),
        ("after", _state(report.after)),
        ("versions", f"python {machine.python}, {packages}"),
    ]


def _state(state: MachineState) -> str:
    parts = [f"load {state.load:.2f}" if state.load is not None else "load unknown"]
    if state.frequency_mhz:
        parts.append(f"{min(state.frequency_mhz)} to {max(state.frequency_mhz)} MHz")
    parts += [f"{name} {degrees:.0f} °C" for name, degrees in state.temperature_c.items()]
    parts += [f"{name} {count}" for name, count in state.throttle.items()]
    if not state.throttle:
        parts.append("no throttle flags visible")
    return ", ".join(parts)


def html_table(
    titles: Sequence[str], body: Sequence[tuple[str, ...]], words: tuple[int, ...] = ()
) -> str:
    """A table.

    Args:
        titles: Of the columns; all empty for a table without a head.
        body: Plain text.
        words: Columns that hold words, besides the first: numbers stand to the right.
    """

    def kind(index: int) -> str:
        return ' class="words"' if index in words else ""

    head = "".join(f"<th{kind(i)}>{escape(title)}</th>" for i, title in enumerate(titles))
    lines = "".join(
        "<tr>" + "".join(f"<td{kind(i)}>{escape(c)}</td>" for i, c in enumerate(row)) + "</tr>"
        for row in body
    )
    header = f"<thead><tr>{head}</tr></thead>" if any(titles) else ""
    return f'<div class="wide"><table>{header}<tbody>{lines}</tbody></table></div>'
