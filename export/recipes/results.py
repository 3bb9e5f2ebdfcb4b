"""Measures the released models, and remakes the results page from what was measured.

    python -m recipes.results measure DATA [--peers PEERS]   # writes docs/results.json
    python -m recipes.results measure DATA --model lrpose-m  # leaves the others' rows
    python -m recipes.results time                           # INT8 by FP32 alone, anew
    python -m recipes.results page                           # docs/results.md, nothing measured

In an editable installation (`make test` makes one), or with PYTHONPATH=export. The page is made
from `docs/results.json`, `docs/versus.json` (`make bench`) and the records in
`docs/experiments/runs/ablations/` (`recipes.ablations.train`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from recipes.results_page import FLIP_TESTS, page

DOCS = Path(__file__).parents[2] / "docs"
# LRPose-n and -m are bundled in INT8 alone; their float files lie beside the exporter.
WEIGHTS = Path(__file__).parents[1] / "weights"
MODELS = {
    "lrpose-s": {"int8": "lrpose-s", "fp32": "lrpose-s"},
    "lrpose-m": {"int8": "lrpose-m", "fp32": str(WEIGHTS / "lrpose-m.fp32.onnx")},
    "lrpose-n": {"int8": "lrpose-n", "fp32": str(WEIGHTS / "lrpose-n.fp32.onnx")},
}
TIMING_S = 10.0
GIVEN = "keypoints, ground-truth boxes"


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
                for variant, flag in FLIP_TESTS.items():
                    row[variant] = evaluate(dev, model, precision, "none", flag)[GIVEN]
            if peers is not None and precision == "int8":
                row["rtmdet"] = with_rtmdet(dev, model, precision, peers)
            models.append(row)
    return models


def of_fp32(name: str) -> float:
    """What part of FP32's time INT8 takes for a crop, in turns on one thread of ONNX Runtime."""
    import numpy as np

    from litepose_edge.backends import find_model
    from litepose_export.quantization.gate.latency import compare_session_latency

    files = MODELS[name]
    float_model, quantized = (find_model(files[p], precision=p) for p in ("fp32", "int8"))
    size = float_model.manifest.input
    batch = np.zeros((1, 3, size.height, size.width), np.float32)
    with closing(float_model.open(1)) as first, closing(quantized.open(1)) as second:
        return round(compare_session_latency((first, second), batch, TIMING_S).ratio, 3)


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


if __name__ == "__main__":
    main()
