"""Drawn hands of 21 made-up keypoints, as a COCO file: what is not a person's body."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from litepose_edge.skeletons import HAND_21

NAMES = [f"point-{number}" for number in range(21)]
CATEGORY = 3


def write_hands(folder: Path, count: int, *, side: int = 160) -> Path:
    """`count` pictures of one hand each: fingers of their own colours on a noisy ground."""
    rng = np.random.default_rng(21)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(count):
        picture, points = _draw(rng, side)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
        low, high = points.min(axis=0) - 4, points.max(axis=0) + 4
        width, height = (high - low).tolist()
        images.append({"id": number, "file_name": f"{number}.png", "width": side, "height": side})
        annotations.append(
            {
                "id": number + 1,
                "image_id": number,
                "category_id": CATEGORY,
                "bbox": [*low.tolist(), width, height],
                "area": width * height,
                "iscrowd": 0,
                "keypoints": [v for x, y in points.tolist() for v in (x, y, 2)],
                "num_keypoints": 21,
            }
        )
    bones = [[a + 1, b + 1] for a, b in HAND_21.bones]
    category = {"id": CATEGORY, "name": "hand", "keypoints": NAMES, "skeleton": bones}
    path = folder / "hands.json"
    document = {"images": images, "annotations": annotations, "categories": [category]}
    path.write_text(json.dumps(document))
    return path


def _draw(rng, side):
    length, turn = side * rng.uniform(0.16, 0.2), rng.uniform(-0.4, 0.4)
    wrist = np.array([side / 2, side * 0.8]) + rng.uniform(-0.06, 0.06, 2) * side
    points = [wrist]
    for angle in np.array([-1.1, -0.5, -0.1, 0.3, 0.7]) + rng.uniform(-0.1, 0.1, 5) + turn:
        steps = length * np.array([1.0, 1.5, 2.0, 2.4])
        points += [wrist + step * np.array([np.sin(angle), -np.cos(angle)]) for step in steps]
    at = np.array(points).clip(6, side - 7)
    picture = rng.integers(20, 80, (side, side, 3)).astype(np.uint8)
    for a, b in HAND_21.bones:
        finger = (b - 1) // 4
        colour = tuple(int(v) for v in cv2.applyColorMap(np.uint8([[finger * 50]]), 2)[0, 0])
        ends = [tuple(at[i].round().astype(int).tolist()) for i in (a, b)]
        cv2.line(picture, *ends, colour, 3, cv2.LINE_AA)
    for point in at.round().astype(int)[1:]:
        cv2.circle(picture, tuple(point.tolist()), 2, (255, 255, 255), -1, cv2.LINE_AA)
    return picture, at
