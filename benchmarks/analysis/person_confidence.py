"""Recall and false positives over the person confidence, to choose the default `min_score` by.

    python -m benchmarks.analysis.person_confidence dev.json [--model lrpose-s] [--crops 100]

Detector and pose network together, once with the lowest `min_score`; then those people are left
out whose confidence (`Poses.person_scores`) is below each threshold. Counted are people taller than
96 px that were found, people found where no label is, and people found in views without people:
scikit-image's photographs, whole and in random crops.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from litepose_edge import Estimator, Poses
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_edge.measure.accuracy.negatives import views_without_people
from litepose_edge.measure.accuracy.predictions import TALL_PX, box_matches
from litepose_edge.sources import read_image

LEAST_SCORE = 0.05
MAX_PEOPLE = 100
THRESHOLDS = tuple(round(LEAST_SCORE + 0.01 * step, 2) for step in range(66))


@dataclass(frozen=True, slots=True)
class Row:
    """What one threshold of the person confidence gives.

    Attributes:
        threshold: The least confidence of a person.
        recall: Part of the people taller than 96 px that were found.
        false_positives: People an image who match no label.
        without_people: People found in all views without people.
    """

    threshold: float
    recall: float
    false_positives: float
    without_people: int


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="COCO keypoint JSON")
    parser.add_argument("--model", default="lrpose-s")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--crops", type=int, default=100, help="of each photograph without people")
    parser.add_argument("--thresholds", type=float, nargs="+", default=THRESHOLDS)
    parser.add_argument("--json", type=Path, help="write the table here as well")
    options = parser.parse_args()
    dataset = read_coco(options.data)
    with Estimator(
        options.model, detector=options.detector, min_score=LEAST_SCORE, max_people=MAX_PEOPLE
    ) as estimator:
        found = [estimator.predict(read_image(i.path, upright=False)) for i in dataset]
        alarms = [estimator.predict(view) for view in views_without_people(options.crops)]
    rows = sweep(dataset, found, alarms, options.thresholds)
    highest = max((float(p.person_scores.max(initial=0)) for p in alarms), default=0.0)
    print(f"{len(alarms)} views without people; the highest confidence in them: {highest:.3f}")
    print(
        f"{'confidence':>10}{'recall over 96 px':>19}{'false positives':>17}{'without people':>16}"
    )
    for row in rows:
        print(
            f"{row.threshold:10.2f}{row.recall:19.3f}{row.false_positives:17.2f}"
            f"{row.without_people:16d}"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def sweep(
    dataset: CocoDataset,
    found: Sequence[Poses],
    alarms: Sequence[Poses],
    thresholds: Sequence[float],
) -> list[Row]:
    """The table's rows.

    Args:
        dataset: Photographs and labels.
        found: Candidates of each photograph, best first.
        alarms: Candidates of each view without people.
        thresholds: Of the person confidence.
    """
    rows = []
    for threshold in thresholds:
        tall = hits = false = 0
        for image, poses in zip(dataset, found, strict=True):
            boxes = poses.boxes_xyxy[_confident(poses, threshold)]
            matched, recalled = box_matches(boxes, image.boxes_xyxy)
            counted = (image.boxes_xyxy[:, 3] - image.boxes_xyxy[:, 1]) > TALL_PX
            tall += int(counted.sum())
            hits += int(recalled[counted].sum())
            false += int((~matched).sum())
        without = sum(int(_confident(poses, threshold).sum()) for poses in alarms)
        rows.append(Row(threshold, hits / max(tall, 1), false / max(len(dataset), 1), without))
    return rows


def _confident(poses: Poses, threshold: float) -> NDArray[np.bool_]:
    return poses.person_scores >= np.float32(threshold)


if __name__ == "__main__":
    main()
