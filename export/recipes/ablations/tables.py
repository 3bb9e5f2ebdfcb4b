"""The ablation study's part of the results page: comparisons, from the records of the runs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.markdown import table

# Records of the runs of a variant, by its name.
Records = dict[str, list[dict[str, Any]]]


def read_records(folder: Path) -> Records:
    """The records of short runs, by variant."""
    records: Records = {}
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text("utf-8"))
        records.setdefault(record["name"], []).append(record)
    return records


@dataclass(frozen=True, slots=True)
class Comparison:
    """Variants that answer one question.

    Attributes:
        question: What is asked.
        variants: Names, and what the table calls them; the first is compared with.
    """

    question: str
    variants: dict[str, str]


COMPARISONS = (
    Comparison(
        "Loss, stride 8",
        {
            "mse-8": "MSE",
            "rce-8": "RCE",
            "rce-residual-8": "RCE, residual form",
            "rce-place-8": "RCE and location",
        },
    ),
    Comparison("Loss, stride 16", {"mse-16": "MSE", "rce-16": "RCE"}),
    Comparison("Loss, stride 4", {"mse-4": "MSE", "rce-4": "RCE"}),
    Comparison("Stride (RCE)", {"rce-4": "4", "rce-8": "8", "rce-16": "16"}),
    Comparison("Teacher", {"no-teacher": "labels alone", "rce-8": "labels and PP-TinyPose"}),
    Comparison("Parse graph at stride 16", {"rce-8": "without", "rmpg": "RMPG"}),
    Comparison("Head to stride 4", {"deconv": "deconvolutions", "fusion": "fusion deconvolutions"}),
    Comparison(
        "Spatial information correction", {"deconv": "without", "correction": "depthwise 3x3"}
    ),
    Comparison(
        "Blocks (40 % of the crops)",
        {
            "dense": "dense 3x3",
            "depthwise-3": "depthwise 3x3",
            "depthwise-5": "5x5",
            "depthwise-7": "7x7",
        },
    ),
    Comparison("People to learn from", {"rce-8": "all", "half": "a half", "tenth": "a tenth"}),
)


def ablations(records: Records, speed: dict[str, dict[str, float]]) -> list[str]:
    """Tables of the short runs; `speed` is what `recipes.ablations.speed` measured."""
    example = next(iter(records.values()))[0]
    width, height = example["input"]
    lines = [
        "## Ablations",
        "",
        f"Networks half as wide as LRPose-s at {height}x{width}, {example['crops']:,} crops from",
        "scratch, one setting each; AP on dev with ground-truth boxes, DARK. Mean over the seeds",
        "and, behind +-, half the distance between lowest and highest. So short a run says what",
        "helps early on, not where a long one ends. INT8 time: one crop, one thread of ONNX",
        "Runtime, by that of stride 8 (`recipes.ablations.speed`). In words, and what differs from",
        "the papers: [ablations](experiments/ablations.md).",
        "",
    ]
    rows: list[tuple[str, ...]] = []
    for comparison in COMPARISONS:
        there = {n: records[n] for n in comparison.variants if n in records}
        if len(there) < 2:
            continue
        first = statistics.mean(final_ap(r) for r in next(iter(there.values())))
        for i, (name, found) in enumerate(there.items()):
            aps = [final_ap(r) for r in found]
            mean = statistics.mean(aps)
            rows.append(
                (
                    comparison.question if i == 0 else "",
                    comparison.variants[name],
                    spread(aps),
                    "" if i == 0 else f"{100 * (mean - first):+.1f}",
                    crops_to(found, first),
                    f"{found[0]['macs'] / 1e6:.0f} M",
                    int8_time(found[0]["variant"]["parts"], records, speed),
                    str(len(aps)),
                )
            )
    headings = ("", "", "AP", "points", "crops to the first row's AP", "MACs", "INT8 time", "seeds")
    lines += table(headings, rows)
    lines += ["", *decoding(records)]
    return lines


def int8_time(parts: Any, records: Records, speed: dict[str, dict[str, float]]) -> str:
    """How long the network takes; networks of equal parts were timed once."""
    for name, ratios in speed.items():
        if name in records and records[name][0]["variant"]["parts"] == parts:
            return f"{ratios['int8']:.2f}"
    return ""


def decoding(records: Records) -> list[str]:
    """The same networks read out in three ways."""
    rows = []
    for stride in (4, 8, 16):
        found = records.get(f"rce-{stride}", [])
        if found:
            aps = [spread([r["ap"][how] for r in found]) for how in ("dark", "quarter", "argmax")]
            rows.append((str(stride), *aps))
    if not rows:
        return []
    lines = ["Read out of the same maps:", ""]
    return [*lines, *table(("stride", "DARK", "quarter shift", "argmax"), rows), ""]


def final_ap(record: dict[str, Any]) -> float:
    """AP with DARK at the end of a run."""
    return float(record["ap"]["dark"])


def spread(values: Sequence[float]) -> str:
    """Mean and half the range."""
    half = (max(values) - min(values)) / 2
    return f"{statistics.mean(values):.3f}" + (f" +- {half:.3f}" if len(values) > 1 else "")


def crops_to(records: Sequence[dict[str, Any]], ap: float) -> str:
    """How many crops the runs had seen when they passed an AP, in the mean; interpolated."""
    reached = []
    for record in records:
        curve = [(p["crops"], p["ap"]) for p in record["curve"]]
        curve.append((record["crops"], final_ap(record)))
        before = (0, 0.0)
        for crops, value in curve:
            if value >= ap:
                part = (ap - before[1]) / (value - before[1]) if value > before[1] else 1.0
                reached.append(before[0] + part * (crops - before[0]))
                break
            before = (crops, value)
    if len(reached) < len(records):
        return "not reached" if not reached else f"{len(reached)} of {len(records)} runs"
    return f"{statistics.mean(reached):,.0f}"
