"""The results page: released models, baselines beside them, what each idea brings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes.ablations.tables import ablations, read_records
from recipes.markdown import table

# Which crops are averaged with their mirror image, beside the manifest's choice: none, or all.
FLIP_TESTS = {"no flip test": "--no-flip-test", "flip test": "--flip-test"}


def page(docs: Path) -> str:
    """The page in Markdown, from whatever was measured."""
    lines = ["# Results", "", "Made by `python -m recipes.results page`; do not edit.", ""]
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


def released(models: Sequence[dict[str, Any]], baselines: Sequence[dict[str, Any]]) -> list[str]:
    """Released models, and the comparison with baselines in short."""
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
        for variant in FLIP_TESTS:
            if (given := m.get(variant)) and given != m["given"]:
                rows.append((f"{name}, {variant}", *accuracy(given, None), "-", "", "", "", ""))
    headings = ("", "AP", "AP50", "AP75", "our boxes", "RTMDet-nano's boxes")
    lines = ["## Released models", ""]
    lines += table((*headings, "parameters", "MACs", "file", "time by FP32's"), rows)
    lines += [
        "",
        "The dev split's 876 labelled people in ground-truth boxes, in our detector's (and as a",
        "part of that), in RTMDet-nano's; pycocotools. None was seen in training. No figure is",
        "COCO val2017 AP: the photographs are a part of it. Time: the network alone, one crop, in",
        "turns on one thread of ONNX Runtime.",
    ]
    detector, point = models[0]["detector"], models[0]["point"]
    false_positives = point["false_positives_per_image"]
    lines += [
        f"PersonDet: box AP50 {detector['ap50']:.3f}, AP {detector['ap']:.3f}; at the default "
        f"threshold recall {point['recall']:.3f} of people",
        f"taller than 96 px with {false_positives:.2f} false positives an image.",
        "",
    ]
    if baselines:
        found = [r for r in baselines if r["accuracy"] and "1" in r["speed"]]
        lines += [
            "Beside baselines on the same people in the same run ([whole table](versus.md)), all",
            "people ranked alike, by the mean of the keypoint scores above 0.2:",
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
        "Where the models fail, by size, overlap, hidden joints and light:",
        "[model card](model-card.md#bad-at).",
        "",
    ]
    return lines


def accuracy(given: dict[str, float], found: dict[str, float] | None) -> tuple[str, ...]:
    """AP with ground-truth boxes at three thresholds of OKS, and with our detector's boxes."""
    ours = "-" if found is None else f"{found['ap']:.3f} ({found['ap'] / given['ap']:.2f})"
    return f"**{given['ap']:.3f}**", f"{given['ap50']:.3f}", f"{given['ap75']:.3f}", ours
