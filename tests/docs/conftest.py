"""A folder with what the documents' examples name: photographs, labels, a network of one's own."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hands import write_hands
from litepose_edge import COCO_17, Estimator
from paths import ROOT


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    astronaut = cv2.imread(str(photographs / "astronaut.png"))
    assert astronaut is not None
    cv2.imwrite(str(folder / "photo.jpg"), astronaut)
    (folder / "photos").mkdir()
    for i, image in enumerate([astronaut, astronaut[:, ::-1], astronaut[:400, 60:460]]):
        cv2.imwrite(str(folder / "photos" / f"{i}.jpg"), np.ascontiguousarray(image))
    _write_clip(folder / "clip.mp4", astronaut)
    _write_labels(folder / "mine", astronaut)
    shutil.copy(write_hands(folder / "hands", 12), folder / "hands" / "train.json")
    shutil.copy(folder / "hands" / "train.json", folder / "hands" / "val.json")
    _write_network(folder)
    shutil.copy(ROOT / "litepose_edge" / "models" / "lrpose-s.fp32.onnx", folder)
    return folder


@pytest.fixture
def workplace(examples_folder: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for the blocks of one page."""
    shutil.copytree(examples_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


NETWORK = """
from torch import nn

def build(keypoints=21):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, keypoints, 1),
    )
"""
SAVE = "import torch; from my_package.nets import build; torch.save(build().state_dict(), 'w.pt')"


def _write_network(folder: Path) -> None:
    """`my_package.nets:build` and a checkpoint of it, where there is PyTorch."""
    (folder / "my_package").mkdir()
    (folder / "my_package" / "nets.py").write_text(NETWORK)
    if importlib.util.find_spec("torch") is not None:
        subprocess.run([sys.executable, "-c", SAVE], cwd=folder, check=True)


def _write_clip(path: Path, image: NDArray[np.uint8]) -> None:
    small = cv2.resize(image, (320, 320), interpolation=cv2.INTER_AREA)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 15, (320, 320))
    for i in range(15):
        writer.write(np.roll(small, i, axis=1))
    writer.release()


def _write_labels(folder: Path, image: NDArray[np.uint8]) -> None:
    """COCO keypoint files of our own predictions: enough to run a command on."""
    (folder / "images").mkdir(parents=True)
    with Estimator() as estimator:
        for name, count in (("train", 8), ("dev", 4)):
            images, annotations = [], []
            for i in range(count):
                shifted = np.ascontiguousarray(np.roll(image, 4 * i, axis=0))
                file = f"{name}-{i}.jpg"
                cv2.imwrite(str(folder / "images" / file), shifted)
                images.append({"id": i, "file_name": file, "width": 512, "height": 512})
                person = estimator.predict(shifted)[0]
                left, top, right, bottom = map(float, person.box_xyxy)
                visible = np.where(person.scores > 0.3, 2, 0)
                points = np.column_stack([person.keypoints, visible])
                annotations.append(
                    {
                        "id": i,
                        "image_id": i,
                        "category_id": 1,
                        "iscrowd": 0,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": (right - left) * (bottom - top),
                        "keypoints": points.ravel().astype(float).tolist(),
                        "num_keypoints": int((visible > 0).sum()),
                    }
                )
            document = {
                "images": images,
                "annotations": annotations,
                "categories": [
                    {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoint_names)}
                ],
            }
            (folder / f"{name}.json").write_text(json.dumps(document))
