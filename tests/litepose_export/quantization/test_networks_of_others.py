"""Families of networks as others write them: module to ONNX to INT8 that passes to keypoints."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

import litepose_export as lx  # noqa: E402
import other_networks  # noqa: E402
from litepose_edge import Estimator, Skeleton, backends  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402

QUICK = {("resnet-pixelshuffle", 21), ("groupnorm", 17)}
SIZE = (other_networks.SIDE, other_networks.SIDE)


@pytest.mark.parametrize(
    ("family", "keypoints"),
    [
        pytest.param(
            family,
            keypoints,
            id=f"{family}-{keypoints}",
            marks=[] if (family, keypoints) in QUICK else [pytest.mark.slow],
        )
        for family in other_networks.FAMILIES
        for keypoints in (17, 21)
    ],
)
def test_a_network_of_others_ends_as_an_int8_file_that_passed(family, keypoints, tmp_path):
    labels = other_networks.write_scenes(tmp_path / "scenes", keypoints)
    skeleton = Skeleton.from_coco(labels)
    describe = lx.simcc_manifest if family == "simcc" else lx.heatmap_manifest
    more = {} if family == "simcc" else {"alignment": "centre", "blur_kernel": 5}
    manifest = describe(family, input_size=SIZE, skeleton=skeleton, **more)
    torch.manual_seed(0)
    network = other_networks.FAMILIES[family](keypoints)
    other_networks.overfit(network, manifest, labels)

    source, target = tmp_path / "f.onnx", tmp_path / "q.onnx"
    exported = lx.export(network, source, manifest, samples=labels)
    assert exported.tensor_difference <= 1e-4
    report = lx.quantize(source, target, calibration=labels, held_out=labels, count=20, auto=True)
    assert report.verdict == "too few"  # 20 people; the bounds held
    assert report.gate.joints >= 0.9 * 20 * keypoints
    assert report.gate.ap_float > 0.8
    assert report.integer_part >= 0.5
    assert backends.find_model(target).manifest.quantization.gate == "too few"

    image = read_coco(labels).images[0]
    picture = cv2.imread(str(image.path))
    with Estimator(target, detector=None) as estimator:
        poses = estimator.predict(picture, boxes_xyxy=image.boxes_xyxy)
    assert poses.keypoints.shape == (1, keypoints, 2)
    away = np.linalg.norm(poses.keypoints[0] - image.keypoints[0, :, :2], axis=1)
    assert np.median(away) < 1.5
