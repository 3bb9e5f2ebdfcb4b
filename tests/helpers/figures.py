"""A data set of drawn stick figures for tests that train."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from litepose_edge import COCO_17


def write_figures(folder: Path, count: int = 8) -> Path:
    """Write a COCO file of figures, bright limbs on a dark, noisy ground; gives its path."""
    (folder / "images").mkdir()
    rng = np.random.default_rng(4)
    images, annotations = [], []
    for number in range(1, count + 1):
        picture = rng.integers(0, 60, (240, 180, 3), np.uint8)
        points = figure(rng)
        for first, second in COCO_17.bones:
            ends = [tuple(points[j].round().astype(int).tolist()) for j in (first, second)]
            colour = tuple(int(v) for v in np.random.default_rng(first).integers(120, 256, 3))
            cv2.line(picture, *ends, colour, 6)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 180, "height": 240})
        low, high = points.min(axis=0) - 8, points.max(axis=0) + 8
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": float(np.prod(high - low)),
                "num_keypoints": 17,
                "keypoints": np.column_stack([points, np.full(17, 2)]).ravel().tolist(),
            }
        )
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoint_names)}
    path = folder / "labels.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [category]})
    )
    return path


def figure(rng: np.random.Generator) -> np.ndarray:
    """A standing figure in a 180x240 picture."""
    standing = np.array(
        [
            (0, -80), (4, -85), (-4, -85), (9, -82), (-9, -82), (20, -55), (-20, -55), (32, -25),
            (-32, -25), (36, 5), (-36, 5), (13, 10), (-13, 10), (15, 48), (-15, 48), (16, 85),
            (-16, 85),
        ],
        np.float64,
    )  # fmt: skip
    return standing * rng.uniform(0.8, 1.1) + [90, 120] + rng.uniform(-12, 12, (17, 2)) * 0.3
