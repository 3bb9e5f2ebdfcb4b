"""Boxes without people that detector and pose network take for people, as a COCO file.

    python export/recipes/steps/hard_negatives.py train.json more.json --images images \
        --judge rtmdet_nano_person_640.onnx --out negatives.json

Pose networks learn from them to score low there: `train --negatives`. Look at some before: the
highest scores are those of people whom neither labels nor judge knew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.atomic_files import write_file
from litepose_edge.backends import find_model
from litepose_edge.boxes import box_area
from litepose_edge.geometry import Float32, Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.networks import DEFAULT_DETECTOR
from litepose_edge.person_filter import pose_scores
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.skeletons import COCO_17
from litepose_edge.sources import read_image
from litepose_edge.threads import available_threads
from litepose_export.training.detection.pseudo_labels import detect_people, open_detector


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+", help="COCO files of the photographs")
    parser.add_argument("--images", type=Path, action="append", help="folder of photographs")
    parser.add_argument("--detector", default=DEFAULT_DETECTOR, help="whose false positives")
    parser.add_argument("--pose", default="lrpose-s", help="whose as well")
    parser.add_argument("--judge", type=Path, required=True, help="RTMDet person detector")
    parser.add_argument("--min-score", type=float, default=0.1, help="of a box")
    parser.add_argument("--min-pose-score", type=float, default=0.28, help="of its pose")
    parser.add_argument("--max-pose-score", type=float, default=0.62, help="above, it is a person")
    parser.add_argument("--max-overlap", type=float, default=0.1, help="of its area, by a person")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = list(find(_people(options.data, options.images), options))
    folders = options.images or [path.parent / "images" for path in options.data]
    write_file(options.out, json.dumps(coco_document(found, folders)).encode())
    boxes = sum(len(boxes) for _, _, boxes in found)
    print(f"{boxes} false positives in {len(found)} photographs: {options.out}")


def _people(data: Sequence[Path], images: Sequence[Path] | None) -> dict[Path, Float32]:
    """`(P, 4)` boxes of all people that the files know in each photograph."""
    people: dict[Path, Float32] = {}
    for path in data:
        for image in read_coco(path, images):
            known = people.get(image.path, np.zeros((0, 4), np.float32))
            people[image.path] = np.concatenate([known, image.boxes_xyxy])
    return people


def find(
    people: dict[Path, Float32], options: argparse.Namespace
) -> Iterator[tuple[Path, Size, Float32]]:
    """Photographs with false positives, their sizes and those boxes `(N, 4)`.

    The judge, which is slow, looks only at photographs where there may be some.
    """
    found = find_model(options.detector, precision="int8")
    detector = PersonDetector(found.open, found.manifest, 1)
    found = find_model(options.pose, precision="int8")
    pose = TopDown(found.open, found.manifest, 1, flip_test=False)
    judge = open_detector(options.judge)

    def look(entry: tuple[Path, Float32]) -> tuple[Path, Size, Float32]:
        path, known = entry
        image = read_image(path, upright=False)
        boxes, _ = detector(image, options.min_score)
        boxes = boxes[covered(boxes, known) <= options.max_overlap]
        scores = np.array(pose_scores(pose(image, boxes)[1]))
        boxes = boxes[(scores >= options.min_pose_score) & (scores <= options.max_pose_score)]
        if len(boxes):
            (judged,) = detect_people([image], judge, lambda: None)
            boxes = boxes[covered(boxes, judged[:, :4]) <= options.max_overlap]
        return path, Size.of(image), boxes

    with ThreadPoolExecutor(available_threads()) as pool:
        for path, size, boxes in pool.map(look, people.items()):
            if len(boxes):
                yield path, size, boxes


def covered(boxes_xyxy: Float32, people_xyxy: Float32) -> NDArray[np.float32]:
    """The part of each box `(N, 4)` that the one of `(P, 4)` covers that covers most of it."""
    low = np.maximum(boxes_xyxy[:, None, :2], people_xyxy[None, :, :2])
    high = np.minimum(boxes_xyxy[:, None, 2:], people_xyxy[None, :, 2:])
    common = (high - low).clip(0).prod(axis=2).max(axis=1, initial=0.0)
    part: NDArray[np.float32] = (common / box_area(boxes_xyxy).clip(1e-6)).astype(np.float32)
    return part


def coco_document(
    found: Sequence[tuple[Path, Size, Float32]], folders: Sequence[Path]
) -> dict[str, Any]:
    """The boxes in COCO's format; photographs are named as in their folder."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (path, size, boxes) in enumerate(found, 1):
        images.append(
            {
                "id": number,
                "file_name": str(
                    next(path.relative_to(f) for f in folders if path.is_relative_to(f))
                ),
                "width": size.width,
                "height": size.height,
            }
        )
        for x0, y0, x1, y1 in boxes.tolist():
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [round(v, 1) for v in (x0, y0, x1 - x0, y1 - y0)],
                    "area": round((x1 - x0) * (y1 - y0), 1),
                    "iscrowd": 0,
                    "num_keypoints": 0,
                    "keypoints": [0] * (3 * len(COCO_17)),
                }
            )
    category = {"id": 1, "name": "no person", "keypoints": list(COCO_17.keypoint_names)}
    return {"images": images, "annotations": annotations, "categories": [category]}


if __name__ == "__main__":
    main()
