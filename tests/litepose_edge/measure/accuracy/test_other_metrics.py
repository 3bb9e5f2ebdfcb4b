"""CrowdPose's AP and MPII's PCKh on annotations made by hand."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from litepose_edge.cli.app import run
from litepose_edge.errors import SourceError
from litepose_edge.measure.accuracy.crowdpose import crowdpose_metrics
from litepose_edge.measure.accuracy.pckh import pckh, read_head_sizes
from litepose_edge.skeletons import CROWDPOSE_14, MPII_16

KEYPOINTS = len(CROWDPOSE_14)


@pytest.fixture
def crowds(tmp_path):
    """Three images with one person each: crowd index 0.05, 0.5 and 0.9."""
    rng = np.random.default_rng(1)
    images, people = [], []
    for number, crowd_index in ((1, 0.05), (2, 0.5), (3, 0.9)):
        points = np.column_stack([rng.uniform(20, 180, (KEYPOINTS, 2)), np.full(KEYPOINTS, 2)])
        images.append({"id": number, "file_name": f"{number}.png", "crowdIndex": crowd_index})
        people.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [10, 10, 180, 180],
                "keypoints": points.ravel().tolist(),
            }
        )
    path = tmp_path / "crowds.json"
    category = {"id": 1, "name": "person", "keypoints": list(CROWDPOSE_14.keypoint_names)}
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [category]}))
    return path


def answers(path, shifts):
    """The labels themselves, each image's keypoints moved to the right by some pixels."""
    results = []
    for person in json.loads(path.read_text())["annotations"]:
        points = np.array(person["keypoints"]).reshape(-1, 3)
        points[:, 0] += shifts[person["image_id"]]
        results.append(
            {
                "image_id": person["image_id"],
                "category_id": 1,
                "keypoints": points.ravel().tolist(),
                "score": 0.9,
            }
        )
    return results


def test_right_answers_score_one_at_every_difficulty(crowds):
    pytest.importorskip("pycocotools")
    metrics = crowdpose_metrics(crowds, answers(crowds, {1: 0, 2: 0, 3: 0}))
    assert list(metrics.to_dict()) == ["ap", "ap50", "ap75", "ar", "easy", "medium", "hard"]
    assert list(metrics.to_dict().values()) == pytest.approx([1] * 7)


def test_each_image_counts_for_its_own_difficulty(crowds):
    pytest.importorskip("pycocotools")
    metrics = crowdpose_metrics(crowds, answers(crowds, {1: 0, 2: 0, 3: 500}))
    assert (metrics.easy, metrics.medium, metrics.hard) == pytest.approx((1, 1, 0))
    assert metrics.ap50 == pytest.approx(2 / 3, abs=0.02)


def test_a_shift_scores_what_the_published_similarity_says(crowds):
    """OKS written out: the spread is CrowdPose's own and the area 0.53 of the box."""
    pytest.importorskip("pycocotools")
    shift = 12.0
    area = 0.53 * 180 * 180
    spread = 2 * np.array(CROWDPOSE_14.oks_sigmas)
    similarity = np.exp(-(shift**2) / (2 * area * spread**2)).mean()
    thresholds = np.linspace(0.5, 0.95, 10)
    metrics = crowdpose_metrics(crowds, answers(crowds, dict.fromkeys((1, 2, 3), shift)))
    assert 0 < (thresholds < similarity).mean() < 1
    assert metrics.ap == pytest.approx((thresholds <= similarity).mean(), abs=1e-6)


def test_without_images_of_a_difficulty_there_is_no_figure(crowds):
    pytest.importorskip("pycocotools")
    metrics = crowdpose_metrics(crowds, answers(crowds, {1: 0, 2: 0, 3: 0}), image_ids=[1])
    assert metrics.easy == pytest.approx(1)
    assert math.isnan(metrics.hard)


def test_a_coco_file_is_no_crowdpose_file(crowds):
    document = json.loads(crowds.read_text())
    for wrong in (None, math.nan, "high"):
        document["images"][0]["crowdIndex"] = wrong
        crowds.write_text(json.dumps(document))
        with pytest.raises(SourceError, match=r"not a CrowdPose file: image 1: .*crowdIndex"):
            crowdpose_metrics(crowds, [])


def test_half_a_head_is_the_limit():
    labels = np.zeros((1, 16, 3), np.float32)
    labels[..., 2] = 1
    found = np.zeros((1, 16, 2), np.float32)
    found[0, :4, 0] = [9.9, 10.0, 10.1, 30.0]
    metrics = pckh(found, labels, np.array([20.0], np.float32))
    rates = [metrics.by_keypoint[name] for name in MPII_16.keypoint_names[:4]]
    assert rates == [1, 1, 0, 0]
    assert metrics.mean == pytest.approx(12 / 14)


def test_unlabelled_keypoints_pelvis_and_thorax_do_not_count():
    labels = np.zeros((2, 16, 3), np.float32)
    labels[0, :8, 2] = 1
    found = np.zeros((2, 16, 2), np.float32)
    found[:, 6:] = 1000
    metrics = pckh(found, labels, np.full(2, 10, np.float32))
    assert metrics.mean == 1
    assert metrics.by_keypoint["pelvis"] == 0
    assert math.isnan(metrics.by_keypoint["left_wrist"])


def test_a_heads_size_is_its_boxs_diagonal_shortened(tmp_path):
    path = tmp_path / "mpii.json"
    person = {"id": 9, "image_id": 4, "bbox": [0, 0, 9, 9], "head_box": [10, 10, 40, 50]}
    document = {
        "images": [{"id": 4}, {"id": 5}],
        "annotations": [person],
        "categories": [{"id": 1, "keypoints": list(MPII_16.keypoint_names)}],
    }
    path.write_text(json.dumps(document))
    sizes = read_head_sizes(path)
    assert sizes[4].tolist() == [pytest.approx(30)]
    assert len(sizes[5]) == 0
    for wrong in (None, [10, 10, 40], [10, 10, 40, math.nan]):
        person["head_box"] = wrong
        path.write_text(json.dumps(document))
        with pytest.raises(SourceError, match=r"annotation 9: .*head_box"):
            read_head_sizes(path)


def test_the_command_says_what_a_metric_needs(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "1.png"), np.zeros((40, 40, 3), np.uint8))
    person = {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 30, 30],
        "keypoints": [10, 10, 2] * 17,
    }  # fmt: skip
    document = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "annotations": [person],
        "categories": [{"id": 1, "keypoints": [f"k{n}" for n in range(17)]}],
    }
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(document))
    assert run(["eval", "--data", str(path), "--metric", "pckh"]) == 1
    assert "head_box" in capsys.readouterr().err
