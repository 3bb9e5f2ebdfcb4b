"""The results page: released models measured, peers beside them, what each idea brings.

    python export/recipes/results.py measure DATA [--peers PEERS]   # writes docs/results.json
    python export/recipes/results.py measure DATA --model lrpose-m  # leaves the others' rows
    python export/recipes/results.py time                           # INT8 by FP32 alone, anew
    python export/recipes/results.py page                           # docs/results.md from all JSON

The page is made from `docs/results.json`, `docs/versus.json` (`make bench`) and the records in
`docs/experiments/runs/ablations/` (`ablations.py`); what was not measured is left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
# LRPose-n and -m are bundled in INT8 alone; their float files lie beside the exporter.
WEIGHTS = Path(__file__).parents[1] / "weights"
MODELS = {
    "lrpose-s": {"int8": "lrpose-s", "fp32": "lrpose-s"},
    "lrpose-m": {"int8": "lrpose-m", "fp32": str(WEIGHTS / "lrpose-m.fp32.onnx")},
    "lrpose-n": {"int8": "lrpose-n", "fp32": str(WEIGHTS / "lrpose-n.fp32.onnx")},
}
RACE_S = 10.0
GIVEN = "keypoints, ground-truth boxes"
# Everybody's crop once, and everybody's averaged with its mirror image.
VARIANTS = {"one look": "--no-flip-test", "flip test": "--flip-test"}
Records = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Measure, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    measuring = steps.add_parser("measure")
    measuring.add_argument("data", type=Path, help="folder with coco/")
    measuring.add_argument("--peers", type=Path, help="folder with detect/: boxes of RTMDet-nano")
    measuring.add_argument("--model", choices=MODELS, action="append", help="all unless given")
    steps.add_parser("time")
    steps.add_parser("page")
    options = parser.parse_args()
    path = DOCS / "results.json"
    if options.step == "measure":
        chosen = [name for name in MODELS if name in (options.model or MODELS)]
        rows = measure(options.data / "coco" / "dev.json", options.peers, chosen)
        if len(chosen) < len(MODELS):
            before = json.loads(path.read_text("utf-8"))["models"]
            rows += [row for row in before if row["model"] not in chosen]
            rows.sort(key=lambda row: list(MODELS).index(row["model"]))
        path.write_text(json.dumps({"models": rows}, indent=2) + "\n", "utf-8")
    if options.step == "time":
        rows = json.loads(path.read_text("utf-8"))["models"]
        for row in rows:
            if row["precision"] == "int8":
                row["of_fp32"] = of_fp32(row["model"])
        path.write_text(json.dumps({"models": rows}, indent=2) + "\n", "utf-8")
    (DOCS / "results.md").write_text(page(DOCS), "utf-8")


def measure(dev: Path, peers: Path | None, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """AP of the released files on all kinds of boxes, and what they cost."""
    from litepose_edge.backends import bundled
    from litepose_export.models import networks
    from litepose_export.models.counting import count

    models = []
    for name in chosen:
        precisions = MODELS[name]
        network = networks.find(name)
        cost = count(network.build(17, network.input_size), network.input_size)
        for precision, model in precisions.items():
            scored = evaluate(dev, model, precision)
            file = Path(model) if model.endswith(".onnx") else bundled.find(model, precision)
            row = {
                "model": name,
                "precision": precision,
                "parameters": cost.parameters,
                "macs": cost.macs,
                "size_bytes": file.stat().st_size,
                "given": scored[GIVEN],
                "found": scored["keypoints, detector boxes"],
                "detector": scored["detector boxes"],
                "point": scored["default threshold"],
                "rtmdet": None,
            }
            if precision == "int8":
                row["of_fp32"] = of_fp32(name)
                for variant, flag in VARIANTS.items():
                    row[variant] = evaluate(dev, model, precision, "none", flag)[GIVEN]
            if peers is not None and precision == "int8":
                row["rtmdet"] = with_rtmdet(dev, model, precision, peers)
            models.append(row)
    return models


def of_fp32(name: str) -> float:
    """What part of FP32's time INT8 takes for a crop, in turns on one thread of ONNX Runtime."""
    import numpy as np

    from litepose_edge.backends import find_model
    from litepose_export.quantization.gate.latency import race_sessions

    files = MODELS[name]
    exact, quantized = (find_model(files[p], precision=p) for p in ("fp32", "int8"))
    size = exact.manifest.input
    batch = np.zeros((1, 3, size.height, size.width), np.float32)
    with closing(exact.open(1)) as first, closing(quantized.open(1)) as second:
        return round(race_sessions((first, second), batch, RACE_S).ratio, 3)


def evaluate(
    dev: Path, model: str, precision: str, detector: str = "default", flag: str = ""
) -> dict[str, Any]:
    """What `litepose-edge eval` finds."""
    command = ["litepose-edge", "eval", "--data", str(dev), "--model", model, "--json"]
    command += ["--precision", precision, "--detector", detector]
    command += [flag] if flag else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def with_rtmdet(dev: Path, model: str, precision: str, peers: Path) -> dict[str, float]:
    """Keypoint AP with the boxes of RTMDet-nano."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rtmdet.onnx"
        shutil.copy(peers / "detect" / "rtmdet_nano_person_640.onnx", file)
        adopt = ["litepose-edge", "adopt", str(file), "--output-format", "rtmdet"]
        subprocess.run(adopt, capture_output=True, check=True)
        found: dict[str, float] = evaluate(dev, model, precision, str(file))[
            "keypoints, detector boxes"
        ]
    return found


def page(docs: Path) -> str:
    """The page in Markdown, from whatever was measured."""
    lines = ["# Results", "", "Made by `export/recipes/results.py`; do not edit.", ""]
    if (docs / "results.json").exists():
        report = json.loads((docs / "results.json").read_text("utf-8"))
        versus = docs / "versus.json"
        beside = json.loads(versus.read_text("utf-8")) if versus.exists() else {"baselines": []}
        lines += released(report["models"], beside["baselines"])
    records = read_records(docs / "experiments" / "runs" / "ablations")
    if records:
        speed = docs / "experiments" / "runs" / "ablation-speed.json"
        lines += ablations(records, json.loads(speed.read_text("utf-8")) if speed.exists() else {})
    return "\n".join(lines).rstrip() + "\n"


def released(models: Sequence[dict[str, Any]], rivals: Sequence[dict[str, Any]]) -> list[str]:
    """Released models, and the comparison with others in short."""
    rows = []
    for m in models:
        other = "-" if m["rtmdet"] is None else f"{m['rtmdet']['ap']:.3f}"
        cost = (
            f"{m['parameters'] / 1e6:.2f} M",
            f"{m['macs'] / 1e9:.2f} G",
            f"{m['size_bytes'] / 2**20:.1f} MiB",
            f"{m['of_fp32']:.2f}" if "of_fp32" in m else "",
        )
        name = f"{m['model']} {m['precision'].upper()}"
        rows.append((name, *accuracy(m["given"], m["found"]), other, *cost))
        for variant in VARIANTS:
            if (given := m.get(variant)) and given != m["given"]:
                rows.append((f"{name}, {variant}", *accuracy(given, None), "-", "", "", "", ""))
    headings = ("", "AP", "AP50", "AP75", "our boxes", "RTMDet-nano's boxes")
    lines = ["## Released models", ""]
    lines += table((*headings, "parameters", "MACs", "file", "time by FP32's"), rows)
    lines += [
        "",
        "The dev split's 876 labelled people in their own boxes, in our detector's (and as a part",
        "of that), in RTMDet-nano's; pycocotools. None was seen in training. No figure is COCO",
        "val2017 AP: the photographs are a part of it. Time: the network alone, one crop, in turns",
        "on one thread of ONNX Runtime.",
    ]
    detector, point = models[0]["detector"], models[0]["point"]
    lines += [
        f"PersonDet: box AP50 {detector['ap50']:.3f}, AP {detector['ap']:.3f}; at the default "
        f"threshold recall {point['recall']:.3f} of people",
        f"taller than 96 px with {point['unmatched']:.2f} unmatched boxes an image.",
        "",
    ]
    if rivals:
        found = [r for r in rivals if r["accuracy"] and "1" in r["speed"]]
        lines += [
            "Beside others on the same people in the same run ([all of it](versus.md)),",
            "everybody's people ranked alike, by the mean of the keypoint scores above 0.2:",
            "",
        ]
        lines += ["![AP against latency](versus.svg)", ""]
        lines += table(
            ("", "network", "AP", "time to ours, 1 CPU"),
            [
                (
                    r["name"],
                    r["weights"],
                    f"{r['accuracy']['ap']:.3f}",
                    f"{r['speed']['1']['to_ours']:.2f}",
                )
                for r in found
            ],
        )
        lines.append("")
    lines += [
        "Whom it fails, by size, overlap, hidden joints and light, and the worst people in words:",
        "[model card](model-card.md#bad-at).",
        "",
    ]
    return lines


def accuracy(given: dict[str, float], found: dict[str, float] | None) -> tuple[str, ...]:
    """AP with people's own boxes at three strictnesses, and with our detector's."""
    ours = "-" if found is None else f"{found['ap']:.3f} ({found['ap'] / given['ap']:.2f})"
    return f"**{given['ap']:.3f}**", f"{given['ap50']:.3f}", f"{given['ap75']:.3f}", ours


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
            "rce-place-8": "RCE and place",
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
    """Tables of the short runs; `speed` is what `ablation_speed.py` measured."""
    some = next(iter(records.values()))[0]
    width, height = some["input"]
    lines = [
        "## What each idea brings",
        "",
        f"Networks half as wide as LRPose-s at {height}x{width}, {some['crops']:,} crops from",
        "nothing, one setting each; AP on dev with the people's own boxes, DARK. Mean over the",
        "seeds and, behind +-, half the distance between lowest and highest. So short a run says",
        "what helps early on, not where a long one ends. INT8 time: one crop, one thread of ONNX",
        "Runtime, by that of stride 8 (`ablation_speed.py`). In words, and what did not repeat",
        "the papers: [training](training.md#what-the-short-runs-say).",
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


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (headings, *rows)]
    return [lines[0], "|" + "---|" * len(headings), *lines[1:]]


if __name__ == "__main__":
    main()
