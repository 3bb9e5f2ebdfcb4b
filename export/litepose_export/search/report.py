"""`report.html`: one page that needs nothing else, made from `result.json` and `costs.json`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from litepose_export.search import charts
from litepose_export.search.costs.table import CostTable
from litepose_export.search.result import SearchResult

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #1b1f24; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .15rem .7rem; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr:nth-child(even) { background: #f5f7f9; } tr.chosen { font-weight: 600; }
details > summary { cursor: pointer; } svg { max-width: 100%; height: auto; }
"""


def report_page(result: SearchResult, table: CostTable) -> str:
    """The page.

    Args:
        result: What was found.
        table: What operators cost.
    """
    chosen = result.chosen
    title = f"Search {result.search}: {result.kind} within {result.budget:g} {result.unit}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _paragraph(f"Processor: {result.processor}. Seed {result.seed}."),
        "<h2>Accuracy against cost</h2>",
        charts.front_chart(result),
        "<h2>The chosen network</h2>",
        _table(("choice", "option"), list(chosen.values.items())),
        _paragraph(_cost_sentence(result)),
        charts.network_diagram(chosen.operators, result.unit),
        "<h2>Figures</h2>",
        _table(("figure", "value"), [*result.figures.items(), *_table_figures(table)]),
        _folded("All candidates", _candidates(result)),
        _folded("Cost table", _costs(table)),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _cost_sentence(result: SearchResult) -> str:
    chosen = result.chosen
    said = f"{result.score_name} {chosen.score:.4g}; by the cost table {chosen.cost:.4g}"
    if chosen.measured is not None:
        part = chosen.measured / result.budget
        said += f", measured as a whole {chosen.measured:.4g} ({part:.0%} of the budget)"
    return f"{said} {result.unit}."


def _table_figures(table: CostTable) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [
        ("operators in the cost table", len(table.entries)),
        ("noise of an entry (half the middle half, by the median)", table.noise),
        ("correction: factor of the sum", table.correction.factor),
        ("correction: fitted to networks", table.correction.networks),
    ]
    if table.agreement is not None:
        a = table.agreement
        found += [
            (f"prediction on {a.networks} other networks: median error", a.median_error),
            ("largest error", a.worst_error),
            ("part within 10 %", a.within_10),
            ("rank correlation (Kendall)", a.rank_correlation),
        ]
    return found


def _candidates(result: SearchResult) -> str:
    varying = [i for i, options in enumerate(result.choices.values()) if len(options) > 1]
    names, options = list(result.choices), list(result.choices.values())
    rows = []
    front = set(result.front)
    for number, candidate in enumerate(result.candidates):
        marks = [
            "chosen" * (candidate.genes == result.chosen.genes),
            "front" * (number in front),
        ]
        rows.append(
            (
                number,
                candidate.score,
                candidate.cost,
                ", ".join(filter(None, marks)),
                *(options[i][candidate.genes[i]] for i in varying),
            )
        )
    heads = ("no.", result.score_name, f"cost ({result.unit})", "", *(names[i] for i in varying))
    return _table(heads, rows)


def _costs(table: CostTable) -> str:
    rows = [(key, entry.cost, entry.noise) for key, entry in sorted(table.entries.items())]
    return _table(("operator", table.unit, "noise"), rows)


def _folded(title: str, content: str) -> str:
    return f"<details><summary><h2 style='display:inline'>{title}</h2></summary>{content}</details>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = "".join(f"<th>{escape(head)}</th>" for head in heads)
    lines = [f"<tr>{cells}</tr>"]
    for row in rows:
        lines.append("<tr>" + "".join(_cell(value) for value in row) + "</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="n">{value:.4g}</td>'
    if isinstance(value, int):
        return f'<td class="n">{value}</td>'
    return f"<td>{escape(str(value))}</td>"
