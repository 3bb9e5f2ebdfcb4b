"""Small stand-ins for what training and export work on."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Estimator
from paths import ROOT


@pytest.fixture(scope="session")
def photo_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO file of eight drawn stick figures: bright limbs on a dark, noisy ground."""
    folder = tmp_path_factory.mktemp("figures")
    (folder / "images").mkdir()
    rng = np.random.default_rng(4)
    images, annotations = [], []
    for number in range(1, 9):
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


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread for PyTorch: on small maps several would mostly wait for each other."""
    import torch  # not installed where these tests skip

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def recipe() -> Callable[[str], Any]:
    """Imports a script of `export/recipes` by name."""

    def load(name: str) -> Any:
        path = ROOT / "export" / "recipes" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return load
