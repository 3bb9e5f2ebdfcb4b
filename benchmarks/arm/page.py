"""The table of counts in Markdown, from its JSON."""

from __future__ import annotations

from typing import Any

from benchmarks.arm.boards import PROCESSORS

MILLION = 1e6
OURS = "lrpose-", "persondet"
TITLES = (
    "", "file", "network", "crop", "decode", "both, of the network", "dot products",
    "matrix products", "widening products", "float multiply-adds", "of FP32",
)  # fmt: skip
PRECISIONS = {"fp32": "FP32", "int8": "INT8", "int8-x86": "INT8, unsigned form"}


def to_markdown(report: dict[str, Any]) -> str:
    """The page: how it was counted, a table a processor, what it does not say."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [
        "# Instructions on ARM processors",
        "",
        "Made by `make arm-instructions` from [`arm-instructions.json`](arm-instructions.json); do",
        "not edit. Which board to take and how to set it up: [boards](guides/boards.md).",
        "",
        f"Counted at commit {report['commit'][:12]}; {versions}.",
        "",
        "Millions of instructions of one frame on one thread, under emulation: a person given",
        "(LRPose) or an image of 640x480 with both of the detector's views (PersonDet);",
        "third-party networks run alone. Products are parts of the network's instructions; a",
        "vector instruction counts once, whatever its width. Networks run in ONNX Runtime's CPU",
        "provider. INT8 files of third-party networks were made for the count alone.",
        "",
        "**Instructions are not time**, but they repeat exactly, and between files on one",
        "processor they tell which will be quicker. Memory and caches are not in them.",
        "",
    ]
    for processor in PROCESSORS:
        rows = [row for row in report["rows"] if row["processor"] == processor.name]
        lines += [
            f"## {processor.name}: {processor.has}",
            "",
            f"{processor.boards}.",
            "",
            "| " + " | ".join(TITLES) + " |",
            "|---|---|" + "---:|" * (len(TITLES) - 2),
            *("| " + " | ".join(_cells(row, rows)) + " |" for row in rows),
            "",
        ]
    return "\n".join(lines)


def ratio_to_float(row: dict[str, Any], rows: list[dict[str, Any]]) -> float | None:
    """The network's count, part of its FP32 file's; None where there is none, or it is that."""
    for other in rows:
        if other["name"] == row["name"] and other["precision"] == "fp32" and other is not row:
            return float(row["network"] / other["network"])
    return None


def _cells(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    network = row["network"]
    ratio = ratio_to_float(row, rows)
    # A network that runs alone has neither crop nor decoding, only a few calls around it.
    around = row["name"].startswith(OURS) and row["precision"] != "int8-x86"
    return [
        row["name"],
        PRECISIONS[row["precision"]],
        f"{network / MILLION:.1f}",
        f"{row['crop'] / MILLION:.1f}" if around else "-",
        f"{row['decode'] / MILLION:.1f}" if around else "-",
        f"{(row['crop'] + row['decode']) / network:.1%}" if around else "-",
        *(f"{row[kind] / network:.1%}" for kind in ("dot", "matrix", "widening", "multiply_add")),
        "-" if ratio is None else f"{ratio:.3f}".removeprefix("0"),
    ]
