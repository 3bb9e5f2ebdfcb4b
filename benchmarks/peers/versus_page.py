"""The comparison's table in Markdown and its plot in SVG, from the comparison's JSON."""

from __future__ import annotations

from html import escape
from itertools import product
from math import log10
from typing import Any

from litepose_edge.measure.bench.report.svg import COLOURS, ticks

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 62, 20, 34, 52
TEXT_PX, LETTER_PX, CAPITAL_PX = 13, 6.9, 9.2
NEAR_PX = 3
NO_FIGURE = "-"

Box = tuple[float, float, float, float]


def to_markdown(report: dict[str, Any]) -> str:
    """The page: what was measured, the plot, the table, what it does not say."""
    counts = sorted(
        {cpus for baseline in report["baselines"] for cpus in baseline["speed"]}, key=int
    )
    titles = ["", "network", "usual code", "AP", "AP50"]
    for cpus in counts:
        unit = "CPU" if cpus == "1" else "CPUs"
        titles += [f"ms, {cpus} {unit}", "CPU ms", "to ours"]
    rows = [_row(baseline, counts) for baseline in report["baselines"]]
    packages = ", ".join(f"{k} {v}" for k, v in sorted(report["packages"].items()) if v)
    people = f"{report['people']} {'labelled' if report['labelled'] else 'drawn'} people"
    scored = (
        "AP with the labelled boxes, over the photographs these people are in."
        if report["labelled"]
        else "Nothing is scored: there were no labelled photographs."
    )
    lines = [
        "# Comparison with other software, from a crop to keypoints",
        "",
        "Made by `make bench` from [`versus.json`](versus.json); do not edit.",
        "",
        f"{report['cpu']}; {packages}.",
        "",
        f"{people}, one at a time, all rows in turns in one process for each number of CPUs, each",
        "with its own defaults; wall time and CPU time (all threads) a person, cropping and",
        "decoding included, and the ratio to the first row: means without the lowest and highest",
        "5 %, since LRPose-m adds a flip test for people of low scores.",
        scored,
        *(f"On {cpus} CPUs: the first {few} people." for cpus, few in _fewer(report, counts)),
        "",
        "![AP against latency](versus.svg)",
        "",
        "| " + " | ".join(titles) + " |",
        "|" + "|".join(["---"] * 3 + ["---:"] * (len(titles) - 3)) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        *(f"- {warning}" for warning in report["warnings"]),
        *(
            f"- {r['name']}: not measured, {r['missing']}."
            for r in report["baselines"]
            if r["missing"]
        ),
        *(
            f"- {r['name']}: measured in a later run beside the first row; its milliseconds are "
            "its ratios times the first row's."
            for r in report["baselines"]
            if r.get("later")
        ),
        *(
            f"- {r['name']}: not timed yet."
            for r in report["baselines"]
            if not r["speed"] and not r["missing"]
        ),
        "- Read the `to ours` columns: milliseconds belong to this machine on that day.",
        "- AP compares networks, latency the code around them as well: rows with the same network",
        "  differ in AP by their cropping and decoding alone.",
        "- rtmlib's ViTPose class decodes as UDP-trained networks want it, which ours is not.",
        "- MoveNet is made for its own tracking crops of one person; a labelled box is not that.",
        "- OpenVINO alone computes in bfloat16 where the processor has it: that is its default.",
        "- The baselines' own networks were trained by others, on more photographs than ours.",
        "",
    ]
    return "\n".join(lines)


def _fewer(report: dict[str, Any], counts: list[str]) -> list[tuple[str, int]]:
    """Numbers of CPUs whose speed was measured with fewer people, and how many."""
    timed = {
        c: s["people"] for baseline in report["baselines"] for c, s in baseline["speed"].items()
    }
    return [(cpus, timed[cpus]) for cpus in counts if timed[cpus] < report["people"]]


def _row(baseline: dict[str, Any], counts: list[str]) -> list[str]:
    scored = baseline["accuracy"]
    row = [baseline["name"], baseline["weights"], baseline["usual"]]
    row += [f"{scored[key]:.3f}" if scored else NO_FIGURE for key in ("ap", "ap50")]
    for cpus in counts:
        speed = baseline["speed"].get(cpus)
        if speed is None:
            row += [NO_FIGURE] * 3
        else:
            row += [f"{speed['mean_ms']:.1f}", f"{speed['cpu_ms']:.1f}", f"{speed['to_ours']:.2f}"]
    return row


def to_svg(report: dict[str, Any]) -> str:
    """AP against latency on the fewest CPUs, latency on a logarithmic scale.

    Every baseline that was timed and scored is in it; the plot has no points where none was.
    """
    cpus = min(
        {c for baseline in report["baselines"] for c in baseline["speed"]}, key=int, default="1"
    )
    points = [
        (baseline["name"], baseline["speed"][cpus]["mean_ms"], baseline["accuracy"]["ap"])
        for baseline in report["baselines"]
        if baseline["accuracy"] and cpus in baseline["speed"]
    ]
    slowest = max((ms for _, ms, _ in points), default=10.0)
    fastest = min((ms for _, ms, _ in points), default=1.0)
    low, high = log10(fastest / 1.3), log10(slowest * 1.3)
    # Whole tenths around all points, so that what lies close together can be told apart.
    first = int(10 * max(min((ap for _, _, ap in points), default=0.0) - 0.02, 0.0))
    last = 1 + int(10 * max((ap for _, _, ap in points), default=0.5))

    def place(ms: float, ap: float) -> tuple[float, float]:
        across = (log10(ms) - low) / (high - low)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (10 * ap - first) / (last - first) * (HEIGHT - TOP - BOTTOM),
        )

    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for step in range(first, last + 1):
        y = place(fastest, step / 10)[1]
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 8, y + 4, f"{step / 10:.1f}", "end"))
    for value in ticks(10**low, 10**high):
        x = place(value, first / 10)[0]
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{value:g}", "middle"))
    plural = "" if cpus == "1" else "s"
    parts.append(_text(LEFT - 44, 18, "AP, labelled boxes"))
    parts.append(_text(WIDTH - RIGHT, HEIGHT - 12, f"ms a person, {cpus} CPU{plural}", "end"))
    spots = [place(ms, ap) for _, ms, ap in points]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    for (name, _, _), (x, y) in zip(points, spots, strict=True):
        label = free_place(name, x, y, taken)
        taken.append(label)
        colour = COLOURS[0] if name.startswith("litepose-edge") else COLOURS[5]
        # A thread to a label that is not right beside its point.
        end = min(max(x, label[0]), label[2]), min(max(y, label[1]), label[3])
        if abs(end[1] - y) > NEAR_PX:
            parts.append(_line(x, y, *end, "#5c6670"))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
        parts.append(_text(label[0], label[3] - 4, name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="AP against latency" font-family="system-ui, sans-serif" '
        f'font-size="{TEXT_PX}">{"".join(parts)}</svg>\n'
    )


def free_place(name: str, x: float, y: float, taken: list[Box]) -> Box:
    """Where a label beside a point covers the least of points, labels and the outside."""
    wide, high = _width(name), TEXT_PX + 4.0
    # Nearest first: right, left, above and below, then further up and down.
    sides = (x + 9, x - 9 - wide, x - wide / 2)
    rises = (-high / 2, -high - 8, 8, -2 * high - 4, high + 8, -3 * high, 2 * high + 8)
    places = [
        (left, y + rise, left + wide, y + rise + high)
        for rise, left in product(rises, sides)
        if not (left == sides[2] and rise == rises[0])
    ]

    def covered(place: Box) -> float:
        return sum(common_area(place, other) for other in taken) + _outside(place)

    return min(places, key=covered)


def _width(text: str) -> float:
    return sum(CAPITAL_PX if letter.isupper() else LETTER_PX for letter in text)


def common_area(first: Box, second: Box) -> float:
    """Area that two boxes share."""
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    return max(wide, 0.0) * max(high, 0.0)


def _outside(place: Box) -> float:
    frame = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    return (place[2] - place[0]) * (place[3] - place[1]) - common_area(place, frame)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#d8dde2") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#1c2126">{escape(text)}</text>'
    )
