"""Ours against rtmlib 0.0.16 as shipped: the same weights, alternating in one run, as ratios.

    pip install --no-deps rtmlib==0.0.16 tqdm
    python -m benchmarks.budget.versus_rtmlib [--repeats 60] [--json FILE]

rtmlib's ViTPose class runs our float file with rtmlib's own session, preprocessing and decoding;
ours runs the INT8 file, and the float file for comparison. Each number of CPUs has a process of
its own, bound to so many, and rtmlib's session gets as many threads: it has no setting for them.
`torch` is needed for the row on scaling only.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.budget.bars import Bar, finish, without
from benchmarks.peers.onnx_threads import within_affinity
from litepose_edge import Estimator, geometry
from litepose_edge.backends import bundled, find_model
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Size
from litepose_edge.manifest import TopDownSpec
from litepose_edge.preprocess import Normalizer, warp

PEOPLE = (1, 5, 20)
MODEL = "lrpose-s"
FPS, PACED_S = 30.0, 6.0
SIZE = Size(640, 480)


def main() -> None:
    """Run every row and print it beside its bar."""
    options = arguments()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options.repeats)))
        return
    if reason := missing():
        finish({}, without(bars(None), reason), options.json)
        return
    report: dict[str, Any] = {}
    report["one_cpu"] = worker("pose", 1, options.repeats)
    report["two_cpus"] = worker("pose", 2, options.repeats)
    report["python_parts"] = worker("python", 1, options.repeats)
    report["paced"] = {
        name: worker(f"paced-{name}", 2, options.repeats) for name in ("rtmlib", "ours")
    }
    report["interleaved"] = worker("interleaved", 2, options.repeats)
    report["scaling"] = {n: worker("throughput", n, options.repeats) for n in (1, 2)}
    for cpus in ("one_cpu", "two_cpus"):
        for people, times in report[cpus].items():
            print(f"FP32 / rtmlib FP32, {cpus}, {people} people: {times['fp32']:.3f}")
    finish(report, bars(report), options.json)


def missing() -> str | None:
    """Why nothing can be measured here; None where it can."""
    absent = [name for name in ("rtmlib", "torch") if importlib.util.find_spec(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed"
    if not hasattr(os, "sched_setaffinity"):
        return "this system cannot bind a process to a CPU"
    if len(os.sched_getaffinity(0)) < 2:
        return "two CPUs are needed"
    return None


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--json", type=Path, help="write the report here as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def worker(name: str, cpus: int, repeats: int) -> Any:
    """Run one measurement in a process bound to so many CPUs."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.budget.versus_rtmlib",
        "--worker",
        name,
        "--repeats",
        str(repeats),
    ]
    chosen = sorted(os.sched_getaffinity(0))[:cpus]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, chosen),
    )
    return json.loads(done.stdout.splitlines()[-1])


def scene(people: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame of noise and boxes for so many people; the arithmetic does not look at content."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (SIZE.height, SIZE.width, 3), np.uint8)
    corners = rng.uniform((0, 0), (400, 200), (people, 2))
    sizes = np.array([1.0, 2.2]) * rng.uniform(80, 120, (people, 1))
    return image, np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)


def rtmlib_network() -> Any:
    """Rtmlib's class around our float file, as its users would make it."""
    from rtmlib.tools.pose_estimation.vitpose import ViTPose

    file = bundled.find(MODEL, "fp32")
    size = find_model(MODEL, precision="fp32").manifest.input.size
    with contextlib.redirect_stdout(io.StringIO()), within_affinity():
        return ViTPose(str(file), model_input_size=(size.width, size.height))


def alternate(jobs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each job, all taking turns, each warmed by an untimed call."""
    samples: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            job()
            started = time.perf_counter_ns()
            job()
            samples[name].append((time.perf_counter_ns() - started) / 1e6)
    return {name: float(np.median(times)) for name, times in samples.items()}


def measure_pose(repeats: int) -> dict[str, Any]:
    """Boxes to keypoints, for 1, 5 and 20 people."""
    rival = rtmlib_network()
    ours = {p: Estimator(MODEL, detector=None, precision=p) for p in ("int8", "fp32")}
    rows = {}
    for people in PEOPLE:
        image, boxes = scene(people)
        times = alternate(
            {
                "rtmlib": lambda i=image, b=boxes: rival(i, b.tolist()),
                "int8": lambda i=image, b=boxes: ours["int8"].predict(i, boxes_xyxy=b),
                "fp32": lambda i=image, b=boxes: ours["fp32"].predict(i, boxes_xyxy=b),
            },
            max(repeats // people, 12),
        )
        rows[people] = {**times, **{p: times[p] / times["rtmlib"] for p in ("int8", "fp32")}}
        rows[people]["rtmlib_ms"] = times["rtmlib"]
    return rows


def measure_python(repeats: int) -> dict[str, Any]:
    """Everything but the network, a person."""
    cv2.setNumThreads(1)
    rival = rtmlib_network()
    manifest = find_model(MODEL, precision="int8").manifest
    assert isinstance(manifest.model, TopDownSpec)
    size, padding = manifest.input.size, manifest.model.padding
    head, skeleton = manifest.model.heatmaps, manifest.model.skeleton
    assert head is not None
    normalizer = Normalizer(manifest.input)
    rng = np.random.default_rng(1)
    rows = {}
    for people in PEOPLE:
        image, boxes = scene(people)
        maps = rng.normal(-4, 2, (people, 17, size.height // 8, size.width // 8))
        maps = maps.astype(np.float32)

        def theirs(image=image, boxes=boxes, maps=maps) -> None:
            for i, box in enumerate(boxes):
                crop, centre, scale = rival.preprocess(image, box)
                np.ascontiguousarray(crop.transpose(2, 0, 1), dtype=np.float32)[None]
                rival.postprocess([maps[i : i + 1]], centre, scale)

        def mine(image=image, boxes=boxes, maps=maps) -> None:
            to_input = geometry.crop_view(boxes, size, padding)
            for affine in to_input:
                normalizer(warp(image, affine, size, out=normalizer.crop))
            cells, _ = heatmaps.decode_as(maps, head, skeleton)
            map_size = Size(maps.shape[3], maps.shape[2])
            points = heatmaps.cells_to_input(cells, map_size, size)
            geometry.transform(geometry.invert(to_input), points)

        times = alternate({"rtmlib": theirs, "ours": mine}, max(repeats // people, 12))
        rows[people] = {
            "ratio": times["ours"] / times["rtmlib"],
            **{f"{name}_ms": value / people for name, value in times.items()},
        }
    return rows


def measure_paced(ours: bool) -> dict[str, float]:
    """CPU milliseconds a frame of one person at 30 frames a second."""
    image, boxes = scene(1)
    if ours:
        estimator = Estimator(MODEL, detector=None)

        def run() -> None:
            estimator.predict(image, boxes_xyxy=boxes)

    else:
        rival = rtmlib_network()

        def run() -> None:
            rival(image, boxes.tolist())

    for _ in range(10):
        run()
    frames = int(FPS * PACED_S)
    cpu, due = time.process_time(), time.perf_counter()
    for _ in range(frames):
        run()
        due += 1 / FPS
        time.sleep(max(0.0, due - time.perf_counter()))
    return {"cpu_ms": (time.process_time() - cpu) * 1e3 / frames}


def measure_interleaved(repeats: int) -> dict[str, float]:
    """Pose latency with a detector running between poses, against alone."""
    image, boxes = scene(1)
    alone = Estimator(MODEL, detector=None)
    both = Estimator(MODEL)
    both.predict(image)
    samples: dict[str, list[float]] = {"alone": [], "interleaved": []}
    for _ in range(max(repeats, 60)):
        for name, estimator in (("alone", alone), ("interleaved", both)):
            # The same work before each timed call, by the detector or by as long a wait.
            if name == "interleaved":
                both.predict(image)
            else:
                time.sleep(0.012)
            estimator.predict(image, boxes_xyxy=boxes)
            started = time.perf_counter_ns()
            estimator.predict(image, boxes_xyxy=boxes)
            samples[name].append((time.perf_counter_ns() - started) / 1e6)
    medians = {name: float(np.median(times)) for name, times in samples.items()}
    return {**medians, "ratio": medians["interleaved"] / medians["alone"]}


def measure_throughput(repeats: int) -> dict[str, float]:
    """Frames of five people a second, and int8 matrix products a second, alternating."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    left = torch.randint(-128, 127, (2048, 2048), dtype=torch.int8)
    right = torch.randint(-128, 127, (2048, 2048), dtype=torch.int8)
    image, boxes = scene(5)
    estimator = Estimator(MODEL, detector=None)
    frames, sets = [image] * 16, [boxes] * 16
    times = alternate(
        {
            "frames": lambda: estimator.predict_batch(frames, boxes_xyxy=sets),
            "products": lambda: torch._int_mm(left, right),
        },
        max(repeats // 3, 15),
    )
    return {name: 1e3 / ms for name, ms in times.items()}


WORKERS: dict[str, Callable[[int], Any]] = {
    "pose": measure_pose,
    "python": measure_python,
    "paced-ours": lambda _: measure_paced(ours=True),
    "paced-rtmlib": lambda _: measure_paced(ours=False),
    "interleaved": measure_interleaved,
    "throughput": measure_throughput,
}


def bars(report: dict[str, Any] | None) -> list[Bar]:
    """The budget's rows.

    Args:
        report: All workers' figures as JSON has them; None for rows without any.
    """
    rows: list[tuple[str, float, Callable[[Any], float]]] = [
        (
            f"crop to keypoints, INT8 / rtmlib FP32, 1 CPU, {people} people",
            0.40,
            lambda r, p=people: r["one_cpu"][str(p)]["int8"],
        )
        for people in PEOPLE
    ]
    rows.append(
        (
            "crop to keypoints, INT8 / rtmlib FP32, 2 CPUs, 20 people",
            0.36,
            lambda r: r["two_cpus"]["20"]["int8"],
        )
    )
    rows += [
        (
            f"Python parts a person, ours / rtmlib, {people} people",
            0.28,
            lambda r, p=people: r["python_parts"][str(p)]["ratio"],
        )
        for people in PEOPLE
    ]
    rows += [
        (
            "CPU time a frame at 30 fps, ours / rtmlib",
            0.12,
            lambda r: r["paced"]["ours"]["cpu_ms"] / r["paced"]["rtmlib"]["cpu_ms"],
        ),
        (
            "pose latency beside the detector / alone",
            1.05,
            lambda r: r["interleaved"]["ratio"],
        ),
        ("gain of 2 CPUs / gain of int8 products", 0.93, relative_scaling),
    ]
    return [
        Bar(
            name=name,
            limit=limit,
            at_least=figure is relative_scaling,
            figure=None if report is None else figure(report),
            reason="not measured" if report is None else None,
        )
        for name, limit, figure in rows
    ]


def relative_scaling(report: dict[str, Any]) -> float:
    """What a second CPU gains us, relative to what it gains matrix products."""
    one, two = report["scaling"][1], report["scaling"][2]
    return float((two["frames"] / one["frames"]) / (two["products"] / one["products"]))


if __name__ == "__main__":
    main()
