"""Latency of the released models on this machine: FP32 against INT8 in one alternating run.

    python -m benchmarks.budget.latency [--threads 1] [--repeats 200] [--block 1] [--json FILE]

Stages: detect (whole detector), crop (warp and normalise one person), infer (pose network),
decode (maps to keypoints). With `--block 1` each stage finds the caches as the network before
it left them; with `--block 20` as twenty people in a row would. Absolute times are this machine's;
compare ratios of one run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from litepose_edge import __version__, backends, geometry
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Size
from litepose_edge.manifest import HeatmapSpec, TopDownSpec
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.preprocess import Normalizer, warp
from litepose_edge.sources import read_image

PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Stage:
    """One timed step of one configuration."""

    precision: str
    name: str
    run: Callable[[], Any]


def main() -> None:
    """Time all stages round-robin and report."""
    options = arguments()
    # Resizing and warping would otherwise use OpenCV's own threads.
    cv2.setNumThreads(options.threads)
    image = read_image(options.image) if options.image else default_image()
    box = np.array([0.1, 0.0, 0.85, 1.0]) * np.tile([image.shape[1], image.shape[0]], 2)
    stages = [s for p in PRECISIONS for s in build(p, options.threads, image, box)]
    samples: dict[tuple[str, str], list[float]] = {(s.precision, s.name): [] for s in stages}
    for stage in stages:
        stage.run()
    for _ in range(options.repeats):
        for stage in stages:
            started = time.perf_counter_ns()
            for _ in range(options.block):
                stage.run()
            elapsed = time.perf_counter_ns() - started
            samples[stage.precision, stage.name].append(elapsed / 1e6 / options.block)
    report = {
        "machine": machine(options.threads),
        "repeats": options.repeats,
        "block": options.block,
    }
    report["stages"] = {
        precision: {
            name: figures(samples[precision, name]) for p, name in samples if p == precision
        }
        for precision in PRECISIONS
    }
    report["int8_to_fp32"] = {
        name: ratio(samples["int8", name], samples["fp32", name]) for name in ("detect", "infer")
    }
    print_table(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument(
        "--block", type=int, default=1, help="runs of a stage in a row, as for so many people"
    )
    parser.add_argument("--image", type=Path, help="photograph with one person")
    parser.add_argument("--json", type=Path, help="write the report here as well")
    return parser.parse_args()


def build(
    precision: str, threads: int, image: NDArray[np.uint8], box: NDArray[np.float64]
) -> list[Stage]:
    """The stages of one precision, each ready to run again and again."""
    found = backends.find_model("persondet", precision=precision, threads=threads)
    detector = PersonDetector(found.open(threads), found.manifest)
    pose = backends.find_model("lrpose-s", precision=precision, threads=threads)
    session, manifest = pose.open(threads), pose.manifest
    assert isinstance(manifest.model, TopDownSpec)
    size, padding = manifest.input.size, manifest.model.padding
    head, skeleton = manifest.model.head, manifest.model.skeleton
    assert isinstance(head, HeatmapSpec)
    output = head.output
    normalizer = Normalizer(manifest.input)

    def crop() -> NDArray[np.float32]:
        to_input = geometry.crop_view(box, size, padding)
        return normalizer(warp(image, to_input, size, out=normalizer.crop))

    batch = crop().copy()
    maps = session.run(batch)[output]
    to_image = geometry.invert(geometry.crop_view(box, size, padding))

    def to_keypoints() -> NDArray[np.float64]:
        cells, _ = heatmaps.decode_as(maps, head, skeleton)
        map_size = Size(maps.shape[3], maps.shape[2])
        return geometry.transform(to_image, heatmaps.cells_to_input(cells, map_size, size))

    return [
        Stage(precision, "detect", lambda: detector(image, 0.3)),
        Stage(precision, "crop", crop),
        Stage(precision, "infer", lambda: session.run(batch)),
        Stage(precision, "decode", to_keypoints),
    ]


def default_image() -> NDArray[np.uint8]:
    """scikit-image's astronaut at a camera's size, or noise where it is not installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        return np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    path = Path(spec.submodule_search_locations[0]) / "data" / "astronaut.png"
    return cv2.resize(read_image(path), (640, 480)).astype(np.uint8)


def figures(samples: list[float]) -> dict[str, float]:
    """Milliseconds; nothing is clipped."""
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    return {
        "median_ms": round(float(p50), 4),
        "p90_ms": round(float(p90), 4),
        "p99_ms": round(float(p99), 4),
        "max_ms": round(max(samples), 4),
        "mean_ms": round(float(np.mean(samples)), 4),
    }


def ratio(first: list[float], second: list[float]) -> float:
    """Median of the ratios of neighbouring samples."""
    return round(float(np.median(np.array(first) / np.array(second))), 3)


def machine(threads: int) -> dict[str, Any]:
    """What the figures belong to."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    return {
        "cpu": model or platform.processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "litepose_edge": __version__,
        "onnxruntime": onnxruntime.__version__,
        "opencv": cv2.__version__,
    }


def print_table(report: dict[str, Any]) -> None:
    """The report for people."""
    about = report["machine"]
    print(f"{about['cpu']}, {about['threads']} thread(s), onnxruntime {about['onnxruntime']}")
    print(f"{'':6}{'stage':8}{'median':>9}{'p90':>9}{'p99':>9}{'max':>9}  ms")
    for precision, stages in report["stages"].items():
        for name, f in stages.items():
            row = "".join(f"{f[k]:9.3f}" for k in ("median_ms", "p90_ms", "p99_ms", "max_ms"))
            print(f"{precision:6}{name:8}{row}")
        python = stages["crop"]["median_ms"] + stages["decode"]["median_ms"]
        print(f"{precision:6}crop + decode in Python: {python:.3f} ms a person")
    for name, value in report["int8_to_fp32"].items():
        print(f"INT8 / FP32, {name}: {value}")


if __name__ == "__main__":
    main()
