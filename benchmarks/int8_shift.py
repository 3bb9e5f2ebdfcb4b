"""How far INT8 moves the keypoints of the released pose network, on labelled people.

    python benchmarks/int8_shift.py dev.json [--backend openvino] [--json FILE]

Over labelled joints that FP32 scores above 0.3, in pixels of a crop 256 high whatever the
network's input is: distance x 256 / padded box height. And what it costs in average precision,
with the labelled boxes (extra eval).
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from bars import Bar, finish, without
from litepose_edge import Estimator
from litepose_edge.measure.coco import read_coco
from litepose_edge.measure.evaluate import coco_metrics
from litepose_edge.sources import read_image

INPUT_HEIGHT, INPUT_WIDTH, PADDING, MIN_SCORE = 256, 192, 1.25, 0.3
ROWS = (
    Bar(name="INT8 shift, median", limit=0.15, unit=" px", reason="-"),
    Bar(name="INT8 shift, p95", limit=0.5, unit=" px", reason="-"),
    Bar(name="INT8 shift, part of the joints compared", limit=0.6, at_least=True, reason="-"),
    Bar(name="INT8 loss of AP, ground-truth boxes", limit=0.3, unit=" points", reason="-"),
)


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="COCO keypoint JSON")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--json", type=Path, help="write the report here as well")
    options = parser.parse_args()
    reason = None
    if not options.data.exists():
        reason = f"{options.data} is not here"
    elif importlib.util.find_spec("pycocotools") is None:
        reason = "pycocotools is not installed (extra eval)"
    if reason is not None:
        finish({}, without(ROWS, reason), options.json)
        return
    report = measure(options.data, options.backend)
    print(
        f"{report['counted']} of {report['labelled']} labelled joints: median "
        f"{report['median_px']:.3f} px, p95 {report['p95_px']:.3f} px; "
        f"AP {report['ap_fp32']:.4f} in FP32, {report['ap_int8']:.4f} in INT8"
    )
    figures = (
        report["median_px"],
        report["p95_px"],
        report["counted"] / report["labelled"],
        100 * (report["ap_fp32"] - report["ap_int8"]),
    )
    found = [
        Bar(name=row.name, limit=row.limit, at_least=row.at_least, unit=row.unit, figure=figure)
        for row, figure in zip(ROWS, figures, strict=True)
    ]
    finish(report, found, options.json)


def measure(data: Path, backend: Any) -> dict[str, Any]:
    """Compare both precisions on every labelled person."""
    shifts: list[np.ndarray] = []
    joints = 0
    results: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    images: list[int] = []
    with (
        Estimator(precision="fp32", backend=backend) as exact,
        Estimator(precision="int8", backend=backend) as fast,
    ):
        for image in read_coco(data):
            labelled = image.keypoints[..., 2] > 0
            people = labelled.any(axis=1)
            if not people.any():
                continue
            pixels = read_image(image.path, upright=False)
            boxes = image.boxes_xyxy[people]
            a, b = (e.predict(pixels, boxes_xyxy=boxes) for e in (exact, fast))
            images.append(image.image_id)
            for into, poses in zip(results, (a, b), strict=True):
                # With a box in the entry, the box's area would be taken for the person's.
                into += [
                    {key: value for key, value in entry.items() if key != "bbox"}
                    for entry in poses.to_coco(image.image_id)
                ]
            extent = boxes[:, 2:] - boxes[:, :2]
            aspect = INPUT_HEIGHT / INPUT_WIDTH
            height = PADDING * np.maximum(extent[:, 1], extent[:, 0] * aspect)
            shift = np.linalg.norm(a.keypoints - b.keypoints, axis=2)
            counted = labelled[people] & (a.scores > MIN_SCORE)
            joints += int(labelled.sum())
            shifts.append((shift * INPUT_HEIGHT / height[:, None])[counted])
    shift = np.concatenate(shifts)
    exact_ap, fast_ap = (coco_metrics(data, part, "keypoints", images).ap for part in results)
    return {
        "backend": backend,
        "counted": len(shift),
        "labelled": joints,
        "median_px": float(np.median(shift)),
        "p95_px": float(np.percentile(shift, 95)),
        "ap_fp32": exact_ap,
        "ap_int8": fast_ap,
    }


if __name__ == "__main__":
    main()
