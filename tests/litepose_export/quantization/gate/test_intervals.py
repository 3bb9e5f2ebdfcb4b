"""Intervals of the gate's figures, and what is said about too few people."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytestmark = [pytest.mark.export]

from litepose_edge.measure.accuracy.coco_metrics import (  # noqa: E402
    ImageMatches,
    coco_metrics_and_matches,
)
from litepose_export.figures import GateFigures  # noqa: E402
from litepose_export.quantization.gate import intervals  # noqa: E402
from litepose_export.quantization.gate.bounds import Bounds, find_shortage  # noqa: E402


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """Labelled boxes of 30 photographs, and results that are near, far or of no person."""
    rng = np.random.default_rng(2)
    images, people, found = [], [], []
    for image in range(1, 31):
        images.append({"id": image, "file_name": f"{image}.png", "width": 200, "height": 200})
        for _ in range(rng.integers(0, 4)):
            box = [*rng.uniform(0, 100, 2), *rng.uniform(30, 90, 2)]
            people.append(
                {
                    "id": len(people) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(rng.random() < 0.1),
                    "keypoints": [50.0, 50.0, 2] * 17,
                    "num_keypoints": 17,
                }
            )
            near = (np.array(box) + rng.normal(0, 5, 4)).tolist()
            found.append({"image_id": image, "bbox": near, "score": float(rng.random())})
        wrong = [*rng.uniform(0, 100, 2), 40.0, 40.0]
        found.append({"image_id": image, "bbox": wrong, "score": float(rng.random() * 0.7)})
    path = tmp_path_factory.mktemp("boxes") / "boxes.json"
    category = {"id": 1, "name": "person", "keypoints": [f"k{i}" for i in range(17)]}
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [category]}))
    return path, found


def test_average_precision_of_matches_is_cocos(boxes):
    pytest.importorskip("pycocotools")
    path, found = boxes
    metrics, matches = coco_metrics_and_matches(path, found, "bbox")
    assert len(matches) == 30
    assert 0.1 < metrics.ap < 0.9
    assert intervals.average_precision(matches) == pytest.approx(metrics.ap, abs=1e-9)


def test_a_loss_of_ap_lies_in_its_interval(boxes):
    pytest.importorskip("pycocotools")
    path, found = boxes
    rng = np.random.default_rng(3)
    worse = [
        entry | {"bbox": (np.array(entry["bbox"]) + rng.normal(0, 6, 4)).tolist()}
        for entry in found
    ]
    first, second = (coco_metrics_and_matches(path, entries, "bbox") for entries in (found, worse))
    low, high = intervals.of_ap_drop(first[1], second[1])
    assert low < first[0].ap - second[0].ap < high
    assert intervals.of_ap_drop(first[1], first[1]) == (0, 0)
    assert intervals.of_ap_drop(first[1], second[1]) == (low, high)  # seeded


def test_intervals_of_shifts_narrow_with_the_number_of_people():
    rng = np.random.default_rng(4)
    people = [rng.gamma(2, 0.15, 10) for _ in range(400)]
    every = np.concatenate(people)
    few, many = intervals.of_shifts(people[:40]), intervals.of_shifts(people)
    low, high = many["shift_px"]
    assert low < np.median(every) < high
    low, high = many["p95_px"]
    assert low < np.percentile(every, 95) < high
    assert many["shift_px"][1] - many["shift_px"][0] < few["shift_px"][1] - few["shift_px"][0]


def test_people_are_drawn_and_not_their_keypoints():
    # All keypoints of a person move alike: a hundred of them say no more than one.
    people = [np.full(100, far) for far in np.linspace(0.1, 1, 10)]
    low, high = intervals.of_shifts(people)["shift_px"]
    assert high - low > 0.3


def test_one_person_has_no_interval():
    assert intervals.of_shifts([np.ones(3), np.zeros(0)]) == {}
    assert intervals.of_mean([True]) is None
    nothing = np.zeros((10, 0), np.bool_)
    assert intervals.of_ap_drop([ImageMatches(np.zeros(0), nothing, nothing, 1)], []) is None


def test_an_interval_of_a_mean_holds_it():
    low, high = intervals.of_mean([True] * 80 + [False] * 20)
    assert low < 0.8 < high


@pytest.mark.parametrize(
    ("people", "joints", "said"),
    [
        (100, 500, ""),
        (99, 900, "1 person more"),
        (120, 480, "20 keypoints more"),
        (30, 200, "70 people and 300 keypoints more"),
    ],
)
def test_a_verdict_takes_a_hundred_people_and_five_hundred_keypoints(people, joints, said):
    found = find_shortage(GateFigures(people, joints), joints_expected=True)
    assert said in found
    assert bool(found) == bool(said)


def test_detectors_need_people_alone():
    assert find_shortage(GateFigures(100), joints_expected=False) == ""
    assert "40 people more" in find_shortage(GateFigures(60), joints_expected=False)


def test_bounds_that_are_not_asked_for_are_not_recorded():
    assert Bounds(0.5, None, 0.01, None, None).to_dict() == {
        "max_shift_px": 0.5,
        "max_ap_drop": 0.01,
    }
