"""Plots drawn as SVG text: bars made of segments, and curves on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
ROW, BAR, LABEL = 44, 16, 14
# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#b8a800")
MARGIN_LEFT, MARGIN_RIGHT = 8, 110
PLOT_HEIGHT, PLOT_LEFT, PLOT_BOTTOM = 260, 64, 36


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        label: Written above the bar.
        segments: Lengths of its parts, one after the other.
        value: Written at its end.
    """

    label: str
    segments: Sequence[float]
    value: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot.

    Attributes:
        label: In the legend.
        values: Positive heights at the plot's positions.
    """

    label: str
    values: Sequence[float]


def colour(index: int) -> str:
    """The colour of a segment or curve."""
    return COLOURS[index % len(COLOURS)]


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars from zero, on one linear scale.

    Args:
        title: Read out to those who cannot see the plot.
        bars: At least one, with as many segments each.
    """
    longest = max(sum(bar.segments) for bar in bars)
    scale = (WIDTH - MARGIN_LEFT - MARGIN_RIGHT) / max(longest, 1e-9)
    parts = []
    for row, bar in enumerate(bars):
        top = row * ROW
        parts.append(_text(MARGIN_LEFT, top + LABEL, bar.label))
        left = float(MARGIN_LEFT)
        for index, segment in enumerate(bar.segments):
            length = segment * scale
            parts.append(
                f'<rect x="{left:.1f}" y="{top + LABEL + 6}" width="{length:.1f}" '
                f'height="{BAR}" fill="{colour(index)}"/>'
            )
            left += length
        parts.append(_text(left + 6, top + LABEL + 6 + BAR - 3, bar.value, "number"))
    return _svg(title, ROW * len(bars), parts)


def curve_plot(title: str, positions: Sequence[str], curves: Sequence[Curve], unit: str) -> str:
    """Curves over named, evenly spaced positions; heights on a logarithmic scale.

    Args:
        title: Read out to those who cannot see the plot.
        positions: Written below the plot.
        curves: At least one, with as many values as there are positions.
        unit: Of the values.
    """
    values = [value for curve in curves for value in curve.values]
    low, high = math.log10(min(values)), math.log10(max(values))
    low, high = low - 0.03, max(high + 0.03, low + 0.1)
    step = (WIDTH - PLOT_LEFT - 24) / max(len(positions) - 1, 1)

    def place(index: int, value: float) -> tuple[float, float]:
        part = (math.log10(value) - low) / (high - low)
        return PLOT_LEFT + index * step, PLOT_HEIGHT - part * (PLOT_HEIGHT - 10)

    parts = []
    for value in ticks(10**low, 10**high):
        _, y = place(0, value)
        parts.append(f'<line x1="{PLOT_LEFT}" y1="{y:.1f}" x2="{WIDTH - 24}" y2="{y:.1f}"/>')
        parts.append(_text(PLOT_LEFT - 8, y + 4, f"{value:g}", "number end"))
    parts.append(_text(4, 12, unit, "number"))
    for index, name in enumerate(positions):
        parts.append(_text(PLOT_LEFT + index * step, PLOT_HEIGHT + 20, name, "number middle"))
    for index, curve in enumerate(curves):
        points = " ".join(
            "{:.1f},{:.1f}".format(*place(i, value)) for i, value in enumerate(curve.values)
        )
        parts.append(f'<polyline points="{points}" stroke="{colour(index)}"/>')
    return _svg(title, PLOT_HEIGHT + PLOT_BOTTOM, parts)


def legend(names: Sequence[str]) -> str:
    """Colours and what they stand for, as HTML that wraps."""
    items = (
        f'<span><i style="background:{colour(index)}"></i>{escape(name)}</span>'
        for index, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(items)}</p>'


def ticks(low: float, high: float) -> list[float]:
    """Round numbers (1, 2, 5 times a power of ten) within a range."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    if len(inside) >= 2:
        return inside
    # A narrow range: a few evenly spaced numbers of two digits more than its width has.
    digits = 2 - math.floor(math.log10(high - low))
    return sorted({round(low + (high - low) * part, digits) for part in (0.1, 0.5, 0.9)})


def _svg(title: str, height: float, parts: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{name}>{escape(text)}</text>'
