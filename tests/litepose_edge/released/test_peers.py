"""Networks of others, adopted and run on photographs that none of them was trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from litepose_edge import Estimator, backends
from litepose_edge.boxes import box_area
from litepose_edge.cli.app import run
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.predictions import box_matches
from litepose_edge.oks import pairwise_oks
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.sources import read_image
from paths import SHARED

PEERS = SHARED / "peers"
IMAGES, TALL_PX = 24, 96

pytestmark = [
    pytest.mark.openvino,
    pytest.mark.skipif(
        not PEERS.exists(), reason="needs networks of others, which are not part of the project"
    ),
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LITEPOSE_EDGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def adopted(tmp_path):
    """Copies a network's files, has them described, gives the path."""

    def adopt(name: str, *arguments: str) -> Path:
        for source in (PEERS / name).parent.glob(f"{Path(name).stem}.*"):
            shutil.copyfile(source, tmp_path / source.name)
        path = tmp_path / Path(name).name
        assert run(["adopt", str(path), *arguments]) == 0
        return path

    return adopt


def backend_of(path: Path) -> str:
    return "onnxruntime" if path.suffix == ".onnx" else "openvino"


# Recall on all 345 photographs at this threshold: .86, .90, .87, .90.
@pytest.mark.parametrize(
    ("name", "output_format", "least"),
    [
        ("detect/yolox_nano_416.onnx", "yolox", 0.75),
        ("detect/rtmdet_nano_person_640.onnx", "rtmdet", 0.8),
        ("detect/picodet_s_320_lcnet_pedestrian.xml", "picodet-decoded", 0.75),
        ("detect/fastestdet_352.onnx", "fastestdet", 0.75),
    ],
)
def test_a_detector_finds_the_people_it_is_known_to_find(
    adopted, dev_json, name, output_format, least
):
    path = adopted(name, "--output-format", output_format)
    found = backends.find_model(path, backend=backend_of(path))
    detector = PersonDetector(found.open, found.manifest, 1)
    hits, tall = 0, 0
    for image in read_coco(dev_json).images[:IMAGES]:
        boxes, scores = detector(read_image(image.path, upright=False), 0.3)
        assert boxes.dtype == scores.dtype == np.float32
        assert (np.diff(scores) <= 0).all()
        _, recalled = box_matches(boxes, image.boxes_xyxy)
        counted = image.boxes_xyxy[:, 3] - image.boxes_xyxy[:, 1] > TALL_PX
        hits, tall = hits + recalled[counted].sum(), tall + counted.sum()
    assert tall > 30
    assert hits / tall > least


# Share of labelled joints within a tenth of the box's height: .93, .87, .75; the box's middle .07.
@pytest.mark.parametrize(
    ("name", "arguments", "least"),
    [
        ("pose/pptinypose_256x192/model.xml", ("--output-format", "heatmap"), 0.85),
        ("pose/ultralight_simplepose_256x192.onnx", ("--output-format", "heatmap"), 0.8),
        (
            "pose/movenet_lightning_int8.tflite",
            ("--output-format", "movenet", "--precision", "int8"),
            0.7,
        ),
    ],
)
def test_a_pose_network_finds_the_joints(adopted, dev_json, name, arguments, least):
    path = adopted(name, *arguments)
    near: list[bool] = []
    with Estimator(path, detector=None, backend=backend_of(path), threads=2) as estimator:
        for image in read_coco(dev_json).images[:IMAGES]:
            labelled = image.keypoints[..., 2] > 0
            people = labelled.any(axis=1)
            boxes = image.boxes_xyxy[people]
            if not len(boxes):
                continue
            poses = estimator.predict(read_image(image.path, upright=False), boxes_xyxy=boxes)
            away = np.linalg.norm(poses.keypoints - image.keypoints[people, :, :2], axis=2)
            share = away / (boxes[:, 3] - boxes[:, 1])[:, None]
            near += (share[labelled[people]] < 0.1).tolist()
    assert len(near) > 300
    assert np.mean(near) > least


def test_a_detector_and_a_pose_network_of_others_work_together(adopted, photographs):
    detector = adopted(
        "detect/picodet_s_320_lcnet_pedestrian.xml", "--output-format", "picodet-decoded"
    )
    pose = adopted(
        "pose/pptinypose_256x192/model.xml", "--output-format", "heatmap", "--name", "tiny"
    )
    image = read_image(photographs / "astronaut.png")
    with Estimator(pose, detector=detector, backend="openvino") as estimator:
        poses = estimator.predict(image)
    assert len(poses) == 1
    assert np.linalg.norm(poses.keypoints[0, 0] - [222, 117]) < 25


def test_a_function_around_another_network_is_a_detector(adopted, photographs):
    path = adopted("detect/yolox_nano_416.onnx", "--output-format", "yolox")
    found = backends.find_model(path)
    yolox = PersonDetector(found.open, found.manifest, 1)
    image = read_image(photographs / "astronaut.png")
    with Estimator(detector=lambda frame: yolox(frame, 0.5)[0]) as estimator:
        assert len(estimator.predict(image)) == 1


# Part of the labelled people whom a found person is like (OKS over .5); on all of dev .83.
def test_a_one_stage_network_finds_people_with_their_joints(adopted, dev_json):
    path = adopted(
        "onestage/yolov8n-pose.xml", "--output-format", "yolo-pose", "--precision", "int8"
    )
    hits = count = 0
    with Estimator(path, backend="openvino", threads=1) as estimator:
        for image in read_coco(dev_json).images[: IMAGES // 2]:
            labelled = image.keypoints[..., 2] > 0
            people = labelled.any(axis=1)
            poses = estimator.predict(read_image(image.path, upright=False))
            assert (poses.person_scores >= 0.3).all()
            areas = box_area(image.boxes_xyxy[people]).astype(np.float64)
            like = pairwise_oks(
                image.keypoints[people, :, :2],
                poses.keypoints,
                np.repeat(areas[:, None], len(poses), axis=1),
                np.repeat(labelled[people, None], len(poses), axis=1),
                np.array(poses.skeleton.oks_sigmas),
            )
            hits += int((like.max(axis=1, initial=0) > 0.5).sum())
            count += int(people.sum())
    assert count > 20
    assert hits / count > 0.8
