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
import importlib.util
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.budget.bars import Bar, finish, without
from benchmarks.peers.rtmlib_pose import open_vitpose
from benchmarks.processes import CAN_BIND, run_bound, usable_cpus
from litepose_edge import Estimator, geometry
from litepose_edge.backends import bundled, find_model
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import TopDownSpec
from litepose_edge.measure.timing import Job, time_in_turns
from litepose_edge.preprocess import Image, Normalizer, warp

PEOPLE = (1, 5, 20)
MODEL = "lrpose-s"
FPS, PACED_S = 30.0, 6.0
SIZE = Size(640, 480)


def main() -> None:
    """Run every row and print it beside its bar."""
    options = arguments()
    if options.worker:
        options.result.write_text(json.dumps(WORKERS[options.worker](options.repeats)))
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
    if not CAN_BIND:
        return "this system cannot bind a process to a CPU"
    if usable_cpus() < 2:
        return "two CPUs are needed"
    return None


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--json", type=Path, help="write the report here as well")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def worker(name: str, cpus: int, repeats: int) -> Any:
    """Run one measurement in a process bound to so many CPUs."""
    arguments = ["--worker", name, "--repeats", str(repeats)]
    return run_bound("benchmarks.budget.versus_rtmlib", arguments, cpus)


def scene(people: int) -> tuple[Image, Float32]:
    """A frame of noise and boxes for so many people; what is in it changes no time."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (SIZE.height, SIZE.width, 3), np.uint8)
    corners = rng.uniform((0, 0), (400, 200), (people, 2))
    sizes = np.array([1.0, 2.2]) * rng.uniform(80, 120, (people, 1))
    return image, np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)


def rtmlib_network() -> Any:
    """Rtmlib's class around our float file."""
    size = find_model(MODEL, precision="fp32").manifest.input.size
    return open_vitpose(bundled.find(MODEL, "fp32"), size)


def measure_pose(repeats: int) -> dict[int, Any]:
    """Boxes to keypoints, for 1, 5 and 20 people."""
    baseline = rtmlib_network()
    int8, fp32 = (
        Estimator(MODEL, detector=None, precision=precision) for precision in ("int8", "fp32")
    )

    def theirs(image: Image, boxes: Float32) -> None:
        baseline(image, boxes.tolist())

    rows: dict[int, Any] = {}
    for people in PEOPLE:
        image, boxes = scene(people)
        jobs: dict[str, Callable[[], object]] = {
            "rtmlib": partial(theirs, image, boxes),
            "int8": partial(int8.predict, image, boxes_xyxy=boxes),
            "fp32": partial(fp32.predict, image, boxes_xyxy=boxes),
        }
        times = time_in_turns(jobs, rounds=max(repeats // people, 12))
        rows[people] = {p: times.ratio_of_medians(p, "rtmlib") for p in ("int8", "fp32")}
        rows[people]["rtmlib_ms"] = times.median_ms("rtmlib")
    return rows


def measure_python(repeats: int) -> dict[int, Any]:
    """All that is not the network, a person."""
    cv2.setNumThreads(1)
    baseline = rtmlib_network()
    manifest = find_model(MODEL, precision="int8").manifest
    assert isinstance(manifest.model, TopDownSpec)
    size, padding = manifest.input.size, manifest.model.padding
    head, skeleton = manifest.model.heatmaps, manifest.model.skeleton
    assert head is not None
    normalizer = Normalizer(manifest.input)
    rng = np.random.default_rng(1)

    def theirs(image: Image, boxes: Float32, maps: Float32) -> None:
        for i, box in enumerate(boxes):
            crop, centre, scale = baseline.preprocess(image, box)
            np.ascontiguousarray(crop.transpose(2, 0, 1), dtype=np.float32)[None]
            baseline.postprocess([maps[i : i + 1]], centre, scale)

    def ours(image: Image, boxes: Float32, maps: Float32) -> None:
        to_input = geometry.crop_view(boxes, size, padding)
        for affine in to_input:
            normalizer(warp(image, affine, size, out=normalizer.crop))
        cells, _ = heatmaps.decode_as(maps, head, skeleton)
        map_size = Size(maps.shape[3], maps.shape[2])
        points = heatmaps.cells_to_input(cells, map_size, size)
        geometry.transform(geometry.invert(to_input), points)

    rows: dict[int, Any] = {}
    for people in PEOPLE:
        image, boxes = scene(people)
        logits = rng.normal(-4, 2, (people, 17, size.height // 8, size.width // 8))
        maps = logits.astype(np.float32)
        jobs = {
            name: partial(work, image, boxes, maps)
            for name, work in (("rtmlib", theirs), ("ours", ours))
        }
        times = time_in_turns(jobs, rounds=max(repeats // people, 12))
        rows[people] = {
            "ratio": times.ratio_of_medians("ours", "rtmlib"),
            **{f"{name}_ms": times.median_ms(name) / people for name in jobs},
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
        baseline = rtmlib_network()

        def run() -> None:
            baseline(image, boxes.tolist())

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
    pose_alone = partial(alone.predict, image, boxes_xyxy=boxes)
    pose_beside = partial(both.predict, image, boxes_xyxy=boxes)

    # Before each timed call the detector runs, or as long a wait passes; then an untimed call.
    def wait_and_pose() -> None:
        time.sleep(0.012)
        pose_alone()

    def detect_and_pose() -> None:
        both.predict(image)
        pose_beside()

    jobs = {
        "alone": Job(pose_alone, prepare=wait_and_pose),
        "interleaved": Job(pose_beside, prepare=detect_and_pose),
    }
    times = time_in_turns(jobs, rounds=max(repeats, 60))
    medians = {name: times.median_ms(name) for name in jobs}
    return {**medians, "ratio": times.ratio_of_medians("interleaved", "alone")}


def measure_throughput(repeats: int) -> dict[str, float]:
    """Frames of five people a second, and int8 matrix products a second, alternating."""
    import torch

    torch.set_num_threads(usable_cpus())
    left = torch.randint(-128, 127, (2048, 2048), dtype=torch.int8)
    right = torch.randint(-128, 127, (2048, 2048), dtype=torch.int8)
    image, boxes = scene(5)
    estimator = Estimator(MODEL, detector=None)
    frames, sets = [image] * 16, [boxes] * 16
    jobs: dict[str, Callable[[], object]] = {
        "frames": partial(estimator.predict_batch, frames, boxes_xyxy=sets),
        "products": partial(torch._int_mm, left, right),
    }
    times = time_in_turns(jobs, rounds=max(repeats // 3, 15))
    return {name: 1e3 / times.median_ms(name) for name in jobs}


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

    def one_cpu(people: int) -> Callable[[Any], float]:
        return lambda r: float(r["one_cpu"][str(people)]["int8"])

    def python_parts(people: int) -> Callable[[Any], float]:
        return lambda r: float(r["python_parts"][str(people)]["ratio"])

    rows = [
        (f"crop to keypoints, INT8 / rtmlib FP32, 1 CPU, {people} people", 0.40, one_cpu(people))
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
        (f"Python parts a person, ours / rtmlib, {people} people", 0.28, python_parts(people))
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
