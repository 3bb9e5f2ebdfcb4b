"""Latency of the released models on this machine: FP32 against INT8 in one alternating run.

    python -m benchmarks.budget.latency [--threads 1] [--repeats 200] [--block 1] [--json FILE]

Stages: detect (whole detector), crop (warp and normalise one person), infer (pose network),
decode (maps to keypoints). With `--block 1` each stage finds the caches as the network before
it left them; with `--block 20` as twenty people in a row would. Absolute times are this machine's;
compare ratios of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import __version__, backends, geometry
from litepose_edge.backends import Precision
from litepose_edge.decoding import heatmaps
from litepose_edge.errors import BackendUnavailableError
from litepose_edge.geometry import Size
from litepose_edge.manifest import HeatmapSpec, TopDownSpec
from litepose_edge.measure.timing import Job, no_preparation, time_in_turns
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.preprocess import Normalizer, warp
from litepose_edge.sources import read_image
from litepose_edge.sources.photographs import scikit_image_photographs

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


@dataclass(frozen=True)
class Stage:
    """One timed step of one configuration."""

    precision: Precision
    name: str
    run: Callable[[], Any]

    @property
    def key(self) -> str:
        """What its times are kept under."""
        return f"{self.precision} {self.name}"


def main() -> None:
    """Time all stages in turns and report."""
    options = arguments()
    # Resizing and warping would otherwise use OpenCV's own threads.
    cv2.setNumThreads(options.threads)
    image = read_image(options.image) if options.image else default_image()
    box = np.array([0.1, 0.0, 0.85, 1.0]) * np.tile([image.shape[1], image.shape[0]], 2)
    stages = [s for p in PRECISIONS for s in build(p, options.threads, image, box)]
    jobs = {
        stage.key: Job(stage.run, prepare=no_preparation, calls=options.block) for stage in stages
    }
    times = time_in_turns(jobs, rounds=options.repeats, warm_up_rounds=1)
    report: dict[str, Any] = {
        "machine": machine(options.threads),
        "repeats": options.repeats,
        "block": options.block,
    }
    report["stages"] = {
        precision: {
            stage.name: figures(times.wall_ms[stage.key])
            for stage in stages
            if stage.precision == precision
        }
        for precision in PRECISIONS
    }
    report["int8_to_fp32"] = {
        name: round(times.median_ratio(f"int8 {name}", f"fp32 {name}"), 3)
        for name in ("detect", "infer")
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
    precision: Precision, threads: int, image: NDArray[np.uint8], box: NDArray[np.float64]
) -> list[Stage]:
    """The stages of one precision, each ready to run again and again."""
    found = backends.find_model("persondet", precision=precision, threads=threads)
    detector = PersonDetector(found.open, found.manifest, threads)
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
    try:
        path = scikit_image_photographs() / "astronaut.png"
    except BackendUnavailableError:
        return np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    return cv2.resize(read_image(path), (640, 480)).astype(np.uint8)


def figures(samples: NDArray[np.float64]) -> dict[str, float]:
    """Milliseconds; nothing is clipped."""
    p50, p90, p99 = np.percentile(samples, [50, 90, 99])
    return {
        "median_ms": round(float(p50), 4),
        "p90_ms": round(float(p90), 4),
        "p99_ms": round(float(p99), 4),
        "max_ms": round(float(samples.max()), 4),
        "mean_ms": round(float(np.mean(samples)), 4),
    }


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
        "onnxruntime": metadata.version("onnxruntime"),
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
