"""Recall and false alarms of a detector file over its threshold, to choose `--threshold` by.

    python export/recipes/choose_threshold.py persondet.fp32.onnx dev.json

Also prints the highest score on scikit-image's photographs without people, whole and in crops.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

from litepose_edge import backends
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.predictions import TALL_PX, box_matches
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.sources import read_image

THRESHOLDS = np.arange(0.1, 0.75, 0.05)
EMPTY = ("coffee", "rocket", "chelsea", "brick", "gravel", "grass", "moon", "retina",
         "hubble_deep_field", "coins")  # fmt: skip


def main(model: str, data: str) -> None:
    found = backends.find_model(model, threads=2)
    detector = PersonDetector(found.open(2), found.manifest)
    dataset = read_coco(data)
    rows = np.zeros((len(THRESHOLDS), 2))
    tall = 0
    for image in dataset:
        boxes, scores = detector(read_image(image.path, upright=False), 0.05)
        counted = (image.boxes_xyxy[:, 3] - image.boxes_xyxy[:, 1]) > TALL_PX
        tall += counted.sum()
        for row, threshold in zip(rows, THRESHOLDS, strict=True):
            matched, recalled = box_matches(boxes[scores >= threshold], image.boxes_xyxy)
            row += recalled[counted].sum(), (~matched).sum()
    print("threshold  recall tall  unmatched an image")
    for threshold, (hits, unmatched) in zip(THRESHOLDS, rows, strict=True):
        print(f"{threshold:9.2f}  {hits / tall:11.3f}  {unmatched / len(dataset):18.2f}")
    spec = importlib.util.find_spec("skimage")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    rng = np.random.default_rng(0)
    for name in EMPTY:
        image = read_image(next(folder.glob(f"{name}.*")))
        views = [image]
        for _ in range(60):
            y = rng.integers(0, max(1, image.shape[0] - 320))
            x = rng.integers(0, max(1, image.shape[1] - 320))
            views.append(image[y : y + 320, x : x + 320])
        tops = [detector(np.ascontiguousarray(v), 0.02)[1].max(initial=0) for v in views]
        print(f"{name:20} whole {tops[0]:.2f}  crops {max(tops[1:]):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
