"""Drawings of a search's report as SVG: the Pareto front, and the chosen network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from litepose_export.search.result import PlacedOperator, SearchResult

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 64, 16, 16, 44
FAINT, FRONT, CHOSEN, LINE = "#9aa7b4", "#0b6bcb", "#d1372f", "#d8dee4"
ROW, DIAGRAM_LEFT, BAR = 22, 330, 300


def front_chart(result: SearchResult) -> str:
    """Every candidate as a point, the front as a line, the budget, the chosen one."""
    costs = [candidate.cost for candidate in result.candidates]
    scores = [candidate.score for candidate in result.candidates]
    low_x, high_x = _room(min(costs), max([*costs, result.budget]))
    low_y, high_y = _room(min(scores), max(scores))

    def at(cost: float, score: float) -> tuple[float, float]:
        across = (cost - low_x) / (high_x - low_x)
        up = (score - low_y) / (high_y - low_y)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    parts = []
    for value in _ticks(low_x, high_x):
        x, _ = at(value, low_y)
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM, LINE))
        parts.append(_text(x, HEIGHT - BOTTOM + 16, f"{value:g}", "middle"))
    for value in _ticks(low_y, high_y):
        _, y = at(low_x, value)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, LINE))
        parts.append(_text(LEFT - 8, y + 4, f"{value:g}", "end"))
    budget, _ = at(result.budget, low_y)
    parts.append(_line(budget, TOP, budget, HEIGHT - BOTTOM, CHOSEN, 'stroke-dasharray="4 4"'))
    for cost, score in zip(costs, scores, strict=True):
        parts.append(_point(*at(cost, score), 3, FAINT, f"{score:.4g} at {cost:.4g}"))
    corners = [at(costs[i], scores[i]) for i in result.front]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{FRONT}" stroke-width="2"/>')
    parts += [_point(x, y, 4, FRONT, "on the front") for x, y in corners]
    x, y = at(result.chosen.cost, result.chosen.score)
    parts.append(_point(x, y, 6, CHOSEN, "the chosen network"))
    label = f"cost ({result.unit}); dashed: the budget"
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, label, "middle"))
    parts.append(_text(LEFT, TOP - 3, result.score_name, "start"))
    return _svg(WIDTH, HEIGHT, parts, "Accuracy of the candidates against their cost")


def network_diagram(operators: Sequence[PlacedOperator], unit: str) -> str:
    """The network from top to bottom: each operator, where it works, what it costs."""
    most = max((operator.cost for operator in operators), default=1.0) or 1.0
    parts = []
    for number, operator in enumerate(operators):
        y = 8 + number * ROW
        length = max(1.0, operator.cost / most * BAR)
        shape = " + ".join("x".join(map(str, each)) for each in operator.inputs)
        parts.append(_text(8, y + 14, f"{operator.kind}  @ {shape}", "start"))
        parts.append(
            f'<rect x="{DIAGRAM_LEFT}" y="{y}" width="{length:.1f}" height="{ROW - 4}" '
            f'fill="{FRONT}"/>'
        )
        parts.append(_text(DIAGRAM_LEFT + length + 6, y + 14, f"{operator.cost:.3g}", "start"))
    height = 16 + len(operators) * ROW
    return _svg(WIDTH, height, parts, f"Operators of the chosen network, cost in {unit}")


def _room(low: float, high: float) -> tuple[float, float]:
    """A range with some room at both ends."""
    margin = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return low - margin, high + margin


def _ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round values within a range."""
    raw = (high - low) / most
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw)
    first = math.ceil(low / step)
    return [round(i * step, 10) for i in range(first, math.floor(high / step) + 1)]


def _svg(width: float, height: float, parts: Sequence[str], label: str) -> str:
    body = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" aria-label="{escape(label)}" font-size="12" '
        f'font-family="system-ui, sans-serif">\n{body}\n</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _point(x: float, y: float, radius: float, colour: str, title: str) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}">'
        f"<title>{escape(title)}</title></circle>"
    )
