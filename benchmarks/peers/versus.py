"""Ours against other ways to keypoints on a CPU: latency, CPU time and accuracy in one run.

    pip install --no-deps rtmlib==0.0.16 tqdm ai-edge-litert==2.3.0 ncnn==1.0.20261020
    python -m benchmarks.peers.versus [--cpus 1 2] [--people N] [--out docs]
    python -m benchmarks.peers.versus --read docs/versus.json --out docs    # nothing is measured
    python -m benchmarks.peers.versus --update "PP-TinyPose" --out docs    # some rows of docs alone

All baselines get the same photographs and labelled boxes, person after person in turns, each
after an untimed call of its own, with the defaults of its own code; a process bound to so many
CPUs for each number of them. `--out` writes `versus.json` and, made from it, `versus.md` and
`versus.svg`. Accuracy is COCO's AP over the same people (extra eval); without the photographs
drawn scenes are timed and nothing is scored.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paths import SHARED
from benchmarks.peers import turns, versus_page
from benchmarks.peers.baselines import Baseline, all_baselines
from benchmarks.processes import run_bound, usable_cpus
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.bench.runs.scene import draw_scene
from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.state import observe_state, warnings
from litepose_edge.results import coco_entry
from litepose_edge.sources import read_image

# A pool of idle threads that spins must have given up before the next one is timed.
SETTLE_S = 0.01
MIN_JOINT_SCORE = 0.2
# Accuracy comes from the first number of CPUs; for the others' speed so many people are enough.
TIMED = 200
DRAWN = 20

# Image id, frame and box.
BoxedPerson = tuple[int, NDArray[np.uint8], NDArray[np.float32]]


def main() -> None:
    """Measure or read, then write."""
    options = arguments()
    if options.result:
        options.result.write_text(json.dumps(measure(options)))
        return
    if options.update and not options.out:
        raise SystemExit("--update needs --out, the folder whose versus.json it changes")
    report = json.loads(options.read.read_text()) if options.read else run_all(options)
    if options.update:
        earlier = json.loads((options.out / "versus.json").read_text())
        report = updated(earlier, report, timed=not options.untimed)
    print(versus_page.to_markdown(report))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        document = json.dumps(report, indent=2, allow_nan=False) + "\n"
        (options.out / "versus.json").write_text(document)
        (options.out / "versus.md").write_text(versus_page.to_markdown(report))
        (options.out / "versus.svg").write_text(versus_page.to_svg(report))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpus", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--people", type=int, default=10**9, help="the first N labelled people")
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "coco" / "dev.json")
    parser.add_argument("--peers", type=Path, default=SHARED / "peers")
    parser.add_argument("--out", type=Path, help="folder for versus.json, .md and .svg")
    parser.add_argument("--update", nargs="+", default=[], help="only these rows, beside ours")
    parser.add_argument(
        "--untimed", action="store_true", help="of --update take accuracy alone: a busy machine"
    )
    parser.add_argument("--read", type=Path, help="an earlier versus.json: measure nothing")
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    """A worker for each number of CPUs; accuracy from the first."""
    usable = usable_cpus()
    before = observe_state()
    most = {n: options.people if i == 0 else TIMED for i, n in enumerate(options.cpus)}
    runs = {
        cpus: worker(options, cpus, min(count, options.people))
        for cpus, count in most.items()
        if cpus <= usable
    }
    if not runs:
        raise SystemExit(f"this process may use {usable} CPUs, fewer than were asked for")
    first = next(iter(runs.values()))
    machine = describe_machine()
    return {
        "schema": 1,
        "cpu": machine.cpu,
        "packages": machine.packages,
        "warnings": warnings(machine, before, observe_state()),
        "people": first["people"],
        "labelled": options.data.exists(),
        "baselines": [
            {
                "name": baseline.name,
                "weights": baseline.weights,
                "usual": baseline.usual,
                "missing": first["missing"].get(baseline.name),
                "accuracy": turns.accuracy(options.data, first, baseline.name),
                "speed": {
                    str(cpus): figures(run, baseline.name)
                    for cpus, run in runs.items()
                    if baseline.name in run["wall_ms"]
                },
            }
            for baseline in chosen(options)
        ],
    }


def chosen(options: argparse.Namespace) -> list[Baseline]:
    """All baselines, or the first and those to be updated.

    Raises:
        SystemExit: One of the names is none.
    """
    baselines = all_baselines(options.peers)
    names = {baseline.name for baseline in baselines}
    if unknown := set(options.update) - names:
        raise SystemExit(f"no row {sorted(unknown)}; there are: {', '.join(sorted(names))}")
    if not options.update:
        return baselines
    return [b for i, b in enumerate(baselines) if i == 0 or b.name in options.update]


def updated(old: dict[str, Any], new: dict[str, Any], *, timed: bool = True) -> dict[str, Any]:
    """The earlier report with the rows of a later run, whose first row is the earlier one's too.

    Times of two runs cannot be compared: of the later one the ratios to the first row are taken,
    and its milliseconds are scaled to the earlier run. Without times, rows keep those they had,
    and the accuracy of the first row is taken as well.
    """
    ours, (first, *rows) = old["baselines"][0], new["baselines"]
    speeds = {row["name"]: row["speed"] for row in old["baselines"]}
    if not timed:
        rows.insert(0, first)
    for row in rows:
        if not timed:
            row["speed"] = speeds.get(row["name"], {})
            continue
        for cpus, speed in row["speed"].items():
            for key in ("mean_ms", "p90_ms", "cpu_ms"):
                scale = ours["speed"][cpus][key] / first["speed"][cpus][key]
                speed[key] = round(speed[key] * scale, 3)
        row["later"] = True
    fresh = {row["name"]: row for row in rows}
    kept = [fresh.pop(row["name"], row) for row in old["baselines"]]
    return {**old, "baselines": [*kept, *fresh.values()]}


def worker(options: argparse.Namespace, cpus: int, most: int) -> dict[str, Any]:
    """The measurement in a process that may use so many CPUs, with so many people at most."""
    arguments = ["--people", str(most), "--data", str(options.data.resolve())]
    arguments += ["--peers", str(options.peers.resolve())]
    arguments += ["--update", *options.update] if options.update else []
    found: dict[str, Any] = run_bound("benchmarks.peers.versus", arguments, cpus)
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Times and keypoints of all baselines, person by person."""
    found = turns.measure(
        chosen(options), people(options.data, options.people), entries, settle_s=SETTLE_S
    )
    return {**found, "people": len(next(iter(found["wall_ms"].values())))}


def people(data: Path, most: int) -> Iterator[BoxedPerson]:
    """Image id, frame and box of labelled people; of drawn ones where there are no labels."""
    if not data.exists():
        for seed in range(min(most, DRAWN)):
            drawn, boxes = draw_scene(1, seed)
            yield seed, drawn, boxes[0]
        return
    given = 0
    for image in read_coco(data):
        labelled = (image.keypoints[..., 2] > 0).any(axis=1)
        if not labelled.any() or given >= most:
            continue
        pixels = read_image(image.path, upright=False)
        # Whole photographs: AP counts all people in them.
        for box in image.boxes_xyxy[labelled]:
            given += 1
            yield image.image_id, pixels, box


def entries(image_id: int, answer: tuple[np.ndarray, np.ndarray]) -> list[dict[str, Any]]:
    """One of COCO's results; the person's score is the mean of the joints seen at all."""
    keypoints, scores = answer
    seen = scores[scores > MIN_JOINT_SCORE]
    points = np.column_stack([keypoints, scores]).astype(np.float64).round(3)
    score = float(seen.mean()) if len(seen) else 0.0
    return [coco_entry(image_id, score, keypoints=points[:, :2], scores=points[:, 2])]


def figures(run: dict[str, Any], name: str) -> dict[str, float | int]:
    """Means and tails in milliseconds a person, and the wall time against ours."""
    wall, cpu = np.array(run["wall_ms"][name]), np.array(run["cpu_ms"][name])
    ours = np.array(next(iter(run["wall_ms"].values())))
    return {
        "people": len(wall),
        "mean_ms": round(usual_mean(wall), 3),
        "p90_ms": round(float(np.percentile(wall, 90)), 3),
        "cpu_ms": round(usual_mean(cpu), 3),
        "to_ours": round(usual_mean(wall / ours), 3),
    }


def usual_mean(values: NDArray[np.float64]) -> float:
    """Mean without a twentieth at either end.

    A median would hide the second forward pass that LRPose-m spends on some people.
    """
    cut = len(values) // 20
    return float(np.sort(values)[cut : len(values) - cut].mean())


if __name__ == "__main__":
    main()
