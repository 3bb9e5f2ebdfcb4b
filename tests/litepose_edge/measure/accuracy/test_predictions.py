"""Recall and false positives on photographs with labels."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.predictions import operating_point


class FindsBoxes:
    """An estimator that finds the same boxes in every picture."""

    def __init__(self, *boxes):
        self._boxes = np.array(boxes, np.float32)

    def predict(self, image):
        people = len(self._boxes)
        return Poses(
            keypoints=np.zeros((people, 17, 2), np.float32),
            scores=np.zeros((people, 17), np.float32),
            boxes_xyxy=self._boxes,
            person_scores=np.linspace(0.9, 0.5, people, dtype=np.float32),
            skeleton=COCO_17,
            image_size=Size.of(image),
        )


@pytest.fixture
def dataset(tmp_path):
    """A person of 100x200 and a crowd of 300x200."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((400, 600, 3), np.uint8))
    boxes = ([10, 10, 100, 200], 0), ([200, 50, 300, 200], 1)
    annotations = [
        {
            "id": i, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": crowd, "area": 1000,
            "keypoints": [0] * 51, "num_keypoints": 0,
        }
        for i, (box, crowd) in enumerate(boxes, 1)
    ]  # fmt: skip
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 600, "height": 400}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoint_names)}],
    }
    (tmp_path / "people.json").write_text(json.dumps(document))
    return read_coco(tmp_path / "people.json")


@pytest.mark.parametrize(
    ("other", "false_positives"),
    [
        ([220, 60, 280, 200], 0),  # in the crowd
        ([200, 50, 500, 250], 0),  # the crowd itself
        ([450, 200, 590, 390], 1),  # for its most part beside it
    ],
)
def test_a_crowd_is_nobody_to_find_and_no_false_positive(dataset, other, false_positives):
    point = operating_point(FindsBoxes([10, 10, 110, 210], other), dataset, lambda: None)
    assert point.recall == 1
    assert point.false_positives_per_image == false_positives
