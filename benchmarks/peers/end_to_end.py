"""Whole photographs to everyone's keypoints: ours with our detector beside YOLOv8n-pose.

    python -m benchmarks.peers.end_to_end [--photographs N] [--out docs]
    python -m benchmarks.peers.end_to_end --read docs/end-to-end.json --out docs

One process on one CPU; photograph after photograph all rows in turns, each after an untimed call
of its own, each with its default thresholds. `--out` writes `end-to-end.json` and, made from it,
`end-to-end.md`. Accuracy is COCO's AP over the same photographs (extra eval); without them drawn
scenes are timed and nothing is scored.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.paths import SHARED
from benchmarks.peers import turns
from benchmarks.peers.turns import NotHereError
from benchmarks.processes import run_bound
from litepose_edge import Estimator
from litepose_edge.atomic_files import write_file, write_files
from litepose_edge.backends import files, sidecar
from litepose_edge.backends.telemetry import no_openvino_telemetry
from litepose_edge.geometry import Size
from litepose_edge.manifest.presets import Graph, OutputFormatName, preset
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.bench.runs.scene import draw_scene
from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.state import observe_state, warnings
from litepose_edge.results import coco_entry
from litepose_edge.skeletons import COCO_17
from litepose_edge.sources import read_image

SIDE, GREY, MAX_IOU, MOST_PEOPLE = 640, 114, 0.7, 20
# Ultralytics validates with people of nearly any score, and predicts with those from .25 on.
VALIDATED_SCORE, PREDICTED_SCORE, OUR_SCORE = 0.01, 0.25, 0.3
DRAWN = 10
NO_FIGURE = "-"

Array = NDArray[Any]
# From a frame to the scores of its people `(P,)`, their keypoints `(P, 17, 2)` and those' scores.
People = tuple[Array, Array, Array]


@dataclass(frozen=True, slots=True)
class Row:
    """One way from a photograph to people.

    Attributes:
        name: What the table calls it.
        usual: Its code, in a few words.
        open: Loads it.
        least_score: Of the people it gives.
        predicted_score: From which on its users see people by default.
    """

    name: str
    usual: str
    open: Callable[[], Callable[[Array], People]]
    least_score: float = OUR_SCORE
    predicted_score: float = OUR_SCORE


def all_rows(peers: Path) -> list[Row]:
    """What is compared; the first is what the others are compared with.

    Args:
        peers: Folder of third-party networks.
    """
    yolo = peers / "onestage" / "yolov8n-pose.xml"
    return [
        Row(
            "YOLOv8n-pose INT8",
            "plain OpenVINO loop",
            lambda: _plain_loop(yolo),
            VALIDATED_SCORE,
            PREDICTED_SCORE,
        ),
        Row("YOLOv8n-pose INT8, adopted", "Estimator.predict", lambda: _adopted(yolo)),
        *(
            Row(
                f"LRPose-{size} INT8, PersonDet",
                "Estimator.predict",
                partial(_ours, f"lrpose-{size}"),
            )
            for size in "smn"
        ),
    ]


def main() -> None:
    """Measure or read, then write."""
    options = arguments()
    if options.result:
        options.result.write_text(json.dumps(measure(options)))
        return
    report = json.loads(options.read.read_text()) if options.read else run(options)
    page = to_markdown(report)
    print(page)
    if options.out:
        document = json.dumps(report, indent=2, allow_nan=False) + "\n"
        write_files(
            {
                options.out / "end-to-end.json": document.encode(),
                options.out / "end-to-end.md": page.encode(),
            }
        )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=10**9, help="the first N")
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "coco" / "dev.json")
    parser.add_argument("--peers", type=Path, default=SHARED / "peers")
    parser.add_argument("--out", type=Path, help="folder for end-to-end.json and .md")
    parser.add_argument("--read", type=Path, help="an earlier end-to-end.json: measure nothing")
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process on one CPU, and score."""
    before = observe_state()
    given = ["--photographs", str(options.photographs), "--data", str(options.data.resolve())]
    given += ["--peers", str(options.peers.resolve())]
    found = run_bound("benchmarks.peers.end_to_end", given, 1)
    machine = describe_machine()
    return {
        "schema": 1,
        "cpu": machine.cpu,
        "packages": machine.packages,
        "warnings": warnings(machine, before, observe_state()),
        "photographs": len(found["images"]),
        "labelled": options.data.exists(),
        "rows": [
            {
                "name": row.name,
                "usual": row.usual,
                "least_score": row.least_score,
                "predicted_score": row.predicted_score,
                "missing": found["missing"].get(row.name),
                "accuracy": turns.accuracy(options.data, found, row.name, row.least_score),
                "predicted": turns.accuracy(options.data, found, row.name, row.predicted_score),
                "speed": figures(found, row.name),
            }
            for row in all_rows(options.peers)
        ],
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Times and people of all rows, photograph by photograph."""
    return turns.measure(
        all_rows(options.peers), photographs(options.data, options.photographs), entries
    )


def entries(image_id: int, people: People) -> list[dict[str, Any]]:
    """One of COCO's results a person."""
    return [
        coco_entry(image_id, float(score), keypoints=points, scores=heat)
        for score, points, heat in zip(*people, strict=True)
    ]


def photographs(data: Path, most: int) -> Iterator[tuple[int, Array]]:
    """Image id and frame of photographs with labelled people; drawn ones without labels."""
    if not data.exists():
        for seed in range(min(most, DRAWN)):
            yield seed, draw_scene(1 + seed % 3, seed)[0]
        return
    given = 0
    for image in read_coco(data):
        if given < most and (image.keypoints[..., 2] > 0).any():
            given += 1
            yield image.image_id, read_image(image.path, upright=False)


def figures(found: dict[str, Any], name: str) -> dict[str, float] | None:
    """Milliseconds a photograph, and as parts of the first row that was measured."""
    if not found["wall_ms"].get(name):
        return None
    wall, cpu = (np.array(found[which][name]) for which in ("wall_ms", "cpu_ms"))
    first, first_cpu = (
        np.array(next(iter(found[which].values()))) for which in ("wall_ms", "cpu_ms")
    )
    return {
        "median_ms": round(float(np.median(wall)), 3),
        "mean_ms": round(float(wall.mean()), 3),
        "p90_ms": round(float(np.percentile(wall, 90)), 3),
        "cpu_ms": round(float(np.median(cpu)), 3),
        "to_first": round(float(np.median(wall) / np.median(first)), 3),
        "mean_to_first": round(float(wall.mean() / first.mean()), 3),
        "cpu_to_first": round(float(np.median(cpu) / np.median(first_cpu)), 3),
    }


def to_markdown(report: dict[str, Any]) -> str:
    """The page: what was measured, the table, what it does not say."""
    packages = ", ".join(f"{k} {v}" for k, v in sorted(report["packages"].items()) if v)
    titles = ["", "code", "AP", "AP50", "AP, default", "ms", "mean", "CPU ms"]
    titles += ["to first", "mean", "CPU"]
    kind = "dev photographs" if report["labelled"] else "drawn scenes"
    lines = [
        "# Comparison with a one-stage network, from a photograph to all its people",
        "",
        "Made by `python -m benchmarks.peers.end_to_end --out docs` from",
        "[`end-to-end.json`](end-to-end.json); do not edit.",
        "",
        f"{report['cpu']}; {packages}.",
        "",
        f"{report['photographs']} {kind}, one CPU, all rows in turns in one process, each with its",
        "default thresholds and without boxes; decoded photographs in, keypoints out. Milliseconds",
        "a photograph: median and mean of wall time, median of CPU time; and their ratios to the",
        "first row's.",
        "",
        "| " + " | ".join(titles) + " |",
        "|" + "|".join(["---"] * 2 + ["---:"] * (len(titles) - 2)) + "|",
        *("| " + " | ".join(_cells(row)) + " |" for row in report["rows"]),
        "",
        *(f"- {warning}" for warning in report["warnings"]),
        *(
            f"- {row['name']}: not measured, {row['missing']}."
            for row in report["rows"]
            if row["missing"]
        ),
        "- Read the ratios: milliseconds belong to this machine on that day.",
        "- AP counts the people that a row gives: ours from their default score of .3 on, those of",
        "  the plain loop from .01 on, as such networks are validated; `AP, default` those from",
        "  the score on that users see by default, .25 there.",
        "- The plain loop: OpenCV's letterbox and suppression around OpenVINO in float32 hint, one",
        "  thread. YOLOv8n-pose is AGPL-3.0, trained on all of COCO; it is measured, not shipped.",
        "",
    ]
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    scored, predicted, speed = row["accuracy"], row["predicted"], row["speed"]
    cells = [row["name"], row["usual"]]
    cells += [f"{scored[key]:.3f}" if scored else NO_FIGURE for key in ("ap", "ap50")]
    cells.append(f"{predicted['ap']:.3f}" if predicted else NO_FIGURE)
    if speed is None:
        return cells + [NO_FIGURE] * 6
    cells += [f"{speed[key]:.1f}" for key in ("median_ms", "mean_ms", "cpu_ms")]
    ratios = ("to_first", "mean_to_first", "cpu_to_first")
    return cells + [f"{speed[key]:.2f}" for key in ratios]


def _ours(model: str) -> Callable[[Array], People]:
    return _people_of(Estimator(model))


def _adopted(path: Path) -> Callable[[Array], People]:
    """The same network through our runtime, described as `litepose-edge adopt` does."""
    _openvino(path)
    graph = Graph(
        name="yolov8n-pose", size=Size(SIDE, SIDE), uint8=False, nhwc=False,
        outputs=("output_0",), skeleton=COCO_17,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / path.name
        for suffix in (".xml", ".bin"):
            shutil.copyfile(path.with_suffix(suffix), own.with_suffix(suffix))
        manifest = preset(OutputFormatName.YOLO_POSE, graph)
        write_file(sidecar.path_of(own), sidecar.encode(manifest, files.read(own)))
        return _people_of(Estimator(own, backend="openvino"))


def _people_of(estimator: Estimator) -> Callable[[Array], People]:
    def find(image: Array) -> People:
        poses = estimator.predict(image)
        return poses.person_scores, poses.keypoints, poses.scores

    return find


def _plain_loop(path: Path) -> Callable[[Array], People]:
    """What a user of OpenVINO writes: letterbox, network, suppression, the way back."""
    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    network = _openvino(path).compile_model(str(path), "CPU", options)

    def find(image: Array) -> People:
        height, width = image.shape[:2]
        ratio = min(SIDE / height, SIDE / width)
        shown = round(width * ratio), round(height * ratio)
        left, top = (SIDE - shown[0]) // 2, (SIDE - shown[1]) // 2
        canvas = np.full((SIDE, SIDE, 3), GREY, np.uint8)
        canvas[top : top + shown[1], left : left + shown[0]] = cv2.resize(image, shown)
        planes = (canvas[..., ::-1].astype(np.float32) / 255).transpose(2, 0, 1)
        table = network([np.ascontiguousarray(planes[None])])[0][0].T
        table = table[table[:, 4] > VALIDATED_SCORE]
        corners = table[:, :2] - table[:, 2:4] / 2
        boxes = np.column_stack([corners, table[:, 2:4]]).tolist()
        kept = cv2.dnn.NMSBoxes(boxes, table[:, 4].tolist(), VALIDATED_SCORE, MAX_IOU)
        table = table[np.asarray(kept, np.intp).reshape(-1)[:MOST_PEOPLE]]
        points = table[:, 5:].reshape(-1, 17, 3)
        return table[:, 4], (points[..., :2] - [left, top]) / ratio, points[..., 2]

    return find


def _openvino(path: Path) -> Any:
    if not path.exists():
        raise NotHereError(f"{path.name} is not here")
    try:
        with no_openvino_telemetry():
            import openvino
    except ImportError as exc:
        raise NotHereError("openvino is not installed") from exc
    return openvino.Core()


if __name__ == "__main__":
    main()
