"""Small stand-ins for what training and export work on."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Estimator
from paths import ROOT


@pytest.fixture(scope="session")
def people_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO file of one photographed person in 16 lights, sizes and mirrorings.

    Labels are what the bundled float network finds, so that it scores well on them.
    """
    folder = tmp_path_factory.mktemp("people")
    (folder / "images").mkdir()
    photograph = cv2.imread(str(ROOT / "docs" / "astronaut.png"))
    rng = np.random.default_rng(6)
    images, annotations = [], []
    with Estimator(precision="fp32", detector=None, threads=1) as estimator:
        for number in range(1, 17):
            scale = rng.uniform(0.5, 0.9)
            picture = cv2.resize(photograph, None, fx=scale, fy=scale)
            noise = rng.normal(0, rng.uniform(0, 12), picture.shape)
            picture = (picture * rng.uniform(0.6, 1.3) + noise).clip(0, 255).astype(np.uint8)
            box = np.array([11, 0, 265, 355]) * scale + rng.uniform(-8, 8, 4)
            if number % 2:
                picture = np.ascontiguousarray(picture[:, ::-1])
                box[[0, 2]] = picture.shape[1] - box[[2, 0]]
            poses = estimator.predict(picture, boxes_xyxy=[box])
            seen = np.where(poses.scores[0] > 0.3, 2, 0)
            cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
            height, width = picture.shape[:2]
            images.append(
                {"id": number, "file_name": f"{number}.png", "width": width, "height": height}
            )
            extent = box[2:] - box[:2]
            annotations.append(
                {
                    "id": number,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [*box[:2].tolist(), *extent.tolist()],
                    "area": float(np.prod(extent)),
                    "num_keypoints": int((seen > 0).sum()),
                    "keypoints": np.column_stack([poses.keypoints[0], seen]).ravel().tolist(),
                }
            )
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoint_names)}
    path = folder / "labels.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [category]})
    )
    return path


@pytest.fixture(scope="session")
def unlabelled_dataset(photo_dataset: Path) -> Path:
    """The drawn figures' photographs in a COCO file that labels no one."""
    document = json.loads(photo_dataset.read_text("utf-8"))
    path = photo_dataset.with_name("unlabelled.json")
    path.write_text(json.dumps(document | {"annotations": []}), "utf-8")
    return path


@pytest.fixture(scope="session")
def filled() -> Callable[[Any], dict[str, Any]]:
    """Makes a network's weights from the names of its tensors, as the reference vectors were."""
    torch = pytest.importorskip("torch")

    def make(network: Any) -> dict[str, Any]:
        return {
            key: torch.tensor(_fill(key, tuple(tensor.shape)), dtype=tensor.dtype)
            for key, tensor in network.state_dict().items()
        }

    return make


def _fill(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor; the recipe is the reference vectors' own."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return np.array(1, np.int64)
    if key.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    if key.endswith("running_mean"):
        return 0.1 * rng.standard_normal(shape)
    if len(shape) == 1:
        if key.endswith("weight"):
            return rng.uniform(0.5, 1.5, shape)
        return 0.1 * rng.standard_normal(shape)
    fan = shape[0] * 4 if "deconv" in key else math.prod(shape[1:])
    return rng.standard_normal(shape) * np.sqrt(1.6 / fan)
