"""COCO keypoint files: any field missing, of another type or range, and broken JSON."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco
from litepose_edge.skeletons import COCO_17
from tests.fuzz.inputs.images import picture
from tests.fuzz.kinds import Answer, InputClass, digest
from tests.fuzz.mutations import mutate_json, strict_json


def seeds() -> list[bytes]:
    """A file with everything, and one with only what is needed."""
    rng = np.random.default_rng(5)
    names = list(COCO_17.keypoint_names)
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 150} for i in (3, 5)]
    people: list[dict[str, Any]] = []
    for i in range(3):
        points = [v for _ in names for v in (*rng.integers(10, 140, 2).tolist(), 2)]
        people.append(
            {
                "id": i + 1, "image_id": 3 if i else 5, "category_id": 1, "iscrowd": 0,
                "area": 9000.0, "bbox": [5, 5, 140, 140], "keypoints": points, "num_keypoints": 17,
            }
        )  # fmt: skip
    bones = [[1, 2], [2, 3]]
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": bones}
    full = {"images": images, "annotations": people, "categories": [category]}
    nothing = {**full, "annotations": []}
    return [json.dumps(document).encode() for document in (full, nothing)]


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Anything in one of them."""
    return mutate_json(rng, sound[int(rng.choice([0, 0, 0, 1]))], sound)


def run(path: Path) -> Answer:
    """Read it as `eval`, `quantize` and `train` do."""
    _photographs(path.parent / "images")
    dataset = read_coco(path)
    parts: list[object] = [dataset.keypoint_names]
    for image in dataset:
        parts += [image.image_id, image.path.name, image.boxes_xyxy, image.keypoints, image.crowd]
    return Answer(digest(*parts), _complaint(dataset))


@cache
def _photographs(folder: Path) -> None:
    """What the files of the seeds name."""
    folder.mkdir(exist_ok=True)
    for name in ("3.jpg", "5.jpg"):
        (folder / name).write_bytes(cv2.imencode(".jpg", picture(200, 150))[1].tobytes())


def _complaint(dataset: CocoDataset) -> str | None:
    joints = len(dataset.keypoint_names)
    if not joints or not all(isinstance(name, str) and name for name in dataset.keypoint_names):
        return f"keypoint names {dataset.keypoint_names}"
    if len({image.image_id for image in dataset}) != len(dataset):
        return "two images of one id"
    for image in dataset:
        people = len(image.boxes_xyxy)
        for name, array, shape in (
            ("boxes", image.boxes_xyxy, (people, 4)),
            ("keypoints", image.keypoints, (people, joints, 3)),
        ):
            if array.dtype != np.float32 or array.shape != shape:
                return f"{name} are {array.dtype} {array.shape}"
            if not np.isfinite(array).all():
                return f"{name} are not finite"
        if (image.boxes_xyxy[:, 2:] < image.boxes_xyxy[:, :2]).any():
            return f"inverted boxes {image.boxes_xyxy.tolist()}"
        if not np.isin(image.keypoints[..., 2], (0, 1, 2)).all():
            return f"visibilities {np.unique(image.keypoints[..., 2]).tolist()}"
    return None


CLASS = InputClass(".json", seeds, mutate, run, strict_json)
