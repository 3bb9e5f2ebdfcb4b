"""Reading COCO files and scoring on them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Estimator
from litepose_edge.cli.app import run
from litepose_edge.errors import SourceError
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.coco_entries import box_entries, keypoint_entries
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.measure.accuracy.predictions import box_matches


@pytest.fixture
def dataset(tmp_path):
    """Two photographs of noise: one with a labelled person and one without keypoints."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for number in (7, 8):
        name = f"{number}.png"
        cv2.imwrite(str(tmp_path / "images" / name), rng.integers(0, 256, (200, 200, 3), np.uint8))
        images.append({"id": number, "file_name": name, "width": 200, "height": 200})
        points = rng.uniform(50, 150, (17, 2))
        visible = 2 if number == 7 else 0
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [40, 30, 120, 150],
                "area": 9000,
                "num_keypoints": 17 if visible else 0,
                "keypoints": np.column_stack([points * bool(visible), [visible] * 17])
                .ravel()
                .tolist(),
            }
        )
    path = tmp_path / "labels.json"
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoint_names)}
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [category]})
    )
    return path


def perfect(path):
    document = json.loads(path.read_text())
    return [
        {
            "image_id": a["image_id"],
            "category_id": 1,
            "keypoints": a["keypoints"],
            "bbox": a["bbox"],
            "score": 0.9,
        }
        for a in document["annotations"]
        if a["num_keypoints"]
    ]


def test_annotations_are_read_as_arrays(dataset):
    found = read_coco(dataset)
    assert [image.image_id for image in found] == [7, 8]
    np.testing.assert_array_equal(found.images[0].boxes_xyxy, [[40, 30, 160, 180]])
    assert found.images[0].keypoints.shape == (1, 17, 3)
    assert found.keypoint_names == COCO_17.keypoint_names


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"images": [], "annotations": []}'])
def test_what_is_no_coco_file_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=r"a\.json"):
        read_coco(path)


def test_entries_hold_what_cocos_results_format_asks_for():
    keypoints = np.array([[[1, 2], [3, 4]]], np.float32)
    scores = np.array([[0.5, 0.25]], np.float32)
    (entry,) = keypoint_entries(7, keypoints, scores, np.array([0.75], np.float32))
    assert entry == {
        "image_id": 7,
        "category_id": 1,
        "keypoints": [1, 2, 0.5, 3, 4, 0.25],
        "score": 0.75,
    }
    (entry,) = box_entries(7, np.array([[10, 20, 40, 80]], np.float32), np.array([0.5], np.float32))
    assert entry == {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 60], "score": 0.5}
    json.dumps(entry)
    assert keypoint_entries(7, keypoints[:0], scores[:0], np.zeros(0, np.float32)) == []


def test_a_keypoint_entry_is_scored_without_its_box(dataset):
    pytest.importorskip("pycocotools")
    tiny = [{**entry, "bbox": [0, 0, 1, 1]} for entry in perfect(dataset)]
    assert coco_metrics(dataset, tiny, "keypoints") == coco_metrics(
        dataset, perfect(dataset), "keypoints"
    )
    assert coco_metrics(dataset, tiny, "bbox").ap == 0


def test_perfect_answers_score_one_and_shifted_ones_less(dataset):
    pytest.importorskip("pycocotools")
    results = perfect(dataset)
    assert coco_metrics(dataset, results, "keypoints", [7]).ap == pytest.approx(1)
    shifted = [
        {**r, "keypoints": [v + 6 * (i % 3 == 0) for i, v in enumerate(r["keypoints"])]}
        for r in results
    ]
    assert coco_metrics(dataset, shifted, "keypoints", [7]).ap < 0.9
    boxes = [{k: v for k, v in r.items() if k != "keypoints"} for r in perfect(dataset)]
    assert coco_metrics(dataset, boxes, "bbox", [7]).ap50 == pytest.approx(1)
    assert coco_metrics(dataset, [], "keypoints").ap == 0


def test_eval_prints_three_rows(dataset, capsys):
    pytest.importorskip("pycocotools")
    assert run(["eval", "--data", str(dataset), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {
        "keypoints, ground-truth boxes",
        "keypoints, detector boxes",
        "detector boxes",
        "signed errors, ground-truth boxes",
        "calibration error of scores, ground-truth boxes",
        "default threshold",
    }
    assert 0 <= document.pop("calibration error of scores, ground-truth boxes") <= 1
    errors = document.pop("signed errors, ground-truth boxes")
    assert errors["mean"].keys() == errors["keypoints"]["nose"]["mean"].keys() == {"x", "y"}
    assert document.pop("default threshold").keys() == {"recall", "false_positives_per_image"}
    for row in document.values():
        assert set(row) == {"ap", "ap50", "ap75", "ar"}
    assert run(["eval", "--data", str(dataset)]) == 0
    printed = capsys.readouterr().out
    assert "AP50" in printed
    assert "left_ankle" in printed


def test_eval_without_a_detector_scores_the_given_boxes(dataset, capsys):
    pytest.importorskip("pycocotools")
    assert run(["eval", "--data", str(dataset), "--json", "--detector", "none"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {
        "keypoints, ground-truth boxes",
        "signed errors, ground-truth boxes",
        "calibration error of scores, ground-truth boxes",
    }


def test_eval_can_average_with_the_mirror_image(dataset, capsys, monkeypatch):
    pytest.importorskip("pycocotools")
    from litepose_edge.cli import evaluate

    asked = []

    def spy(*args, **options):
        asked.append(options["flip_test"])
        return Estimator(*args, **options)

    monkeypatch.setattr(evaluate, "Estimator", spy)
    assert run(["eval", "--data", str(dataset), "--json"]) == 0
    assert set(asked) == {None}
    asked.clear()
    assert run(["eval", "--data", str(dataset), "--json", "--no-flip-test"]) == 0
    assert set(asked) == {False}
    asked.clear()
    assert run(["eval", "--data", str(dataset), "--json", "--flip-test"]) == 0
    assert asked
    assert all(asked)


def test_boxes_match_one_to_one():
    labels = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    boxes = np.array([[0, 0, 10, 11], [0, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    found, recalled = box_matches(boxes, labels)
    assert found.tolist() == [True, False, False]
    assert recalled.tolist() == [True, False]
    found, recalled = box_matches(boxes[:0], labels)
    assert found.shape == (0,)
    assert not recalled.any()


@pytest.mark.slow
def test_the_released_models_keep_their_accuracy_on_dev(dev_json):
    """Floors a little below the published figures: a regression shows, noise does not."""
    pytest.importorskip("pycocotools")
    from litepose_edge.measure.accuracy.predictions import (
        evaluate_end_to_end,
        evaluate_on_given_boxes,
    )

    dataset = read_coco(dev_json)
    with Estimator(min_score=0.02, max_people=100) as estimator:
        given = evaluate_on_given_boxes(estimator, dataset, lambda: None)
        _, boxes = evaluate_end_to_end(estimator, dataset, lambda: None)
    assert given.metrics.ap >= 0.30
    assert boxes.ap50 >= 0.30
