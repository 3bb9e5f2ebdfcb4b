"""Recall and false positives of a detector over its threshold, to choose `--threshold` by.

    python -m benchmarks.analysis.detector_thresholds persondet.fp32.onnx dev.json

For the detector alone; what an estimator reports after both networks is `person_confidence`'s to
say. Also prints the highest score in scikit-image's photographs without people, whole and in crops.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from litepose_edge import backends
from litepose_edge.geometry import Float32
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_edge.measure.accuracy.negatives import WITHOUT_PEOPLE, views_without_people
from litepose_edge.measure.accuracy.predictions import TALL_PX, box_matches
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.preprocess import Image
from litepose_edge.sources import read_image

THRESHOLDS = tuple(round(0.1 + 0.05 * step, 2) for step in range(13))
LEAST_SCORE = 0.05
LEAST_SCORE_WITHOUT_PEOPLE = 0.02
CROPS = 60
# Boxes and scores of an image, from a least score on.
Detect = Callable[[Image, float], tuple[Float32, Float32]]


@dataclass(frozen=True, slots=True)
class Row:
    """What one threshold gives.

    Attributes:
        threshold: The least score of a box.
        recall: Part of the people taller than 96 px whose box was found.
        false_positives: Boxes an image that match no label.
    """

    threshold: float
    recall: float
    false_positives: float


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="detector file")
    parser.add_argument("data", type=Path, help="COCO keypoint JSON")
    options = parser.parse_args()
    found = backends.find_model(options.model, threads=2)
    detector = PersonDetector(found.open, found.manifest, 2)
    print("threshold  recall over 96 px  false positives an image")
    for row in sweep(detector, read_coco(options.data)):
        print(f"{row.threshold:9.2f}  {row.recall:17.3f}  {row.false_positives:24.2f}")
    for name, (whole, crops) in highest_scores(detector, CROPS).items():
        print(f"{name:20} whole {whole:.2f}  crops {crops:.2f}")


def sweep(detect: Detect, dataset: CocoDataset) -> list[Row]:
    """Recall and false positives at each of `THRESHOLDS`."""
    counts = np.zeros((len(THRESHOLDS), 2))
    tall = 0
    for image in dataset:
        boxes, scores = detect(read_image(image.path, upright=False), LEAST_SCORE)
        counted = (image.boxes_xyxy[:, 3] - image.boxes_xyxy[:, 1]) > TALL_PX
        tall += int(counted.sum())
        for count, threshold in zip(counts, THRESHOLDS, strict=True):
            matched, recalled = box_matches(boxes[scores >= threshold], image.boxes_xyxy)
            count += recalled[counted].sum(), (~matched).sum()
    return [
        Row(threshold, float(hits) / max(tall, 1), float(false) / max(len(dataset), 1))
        for threshold, (hits, false) in zip(THRESHOLDS, counts, strict=True)
    ]


def highest_scores(detect: Detect, crops: int) -> dict[str, tuple[float, float]]:
    """For each photograph without people the highest score in the whole, and in its crops."""
    views = views_without_people(crops)
    tops = [float(detect(view, LEAST_SCORE_WITHOUT_PEOPLE)[1].max(initial=0)) for view in views]
    each = 1 + crops
    return {
        name: (tops[number * each], max(tops[number * each + 1 : (number + 1) * each], default=0.0))
        for number, name in enumerate(WITHOUT_PEOPLE)
    }


if __name__ == "__main__":
    main()
