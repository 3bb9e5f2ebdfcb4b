"""What a detector takes for people where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from recipes.steps.hard_negatives import coco_document, covered  # noqa: E402


def test_a_box_is_covered_by_the_person_that_covers_most_of_it():
    boxes = np.array([[0, 0, 10, 20], [50, 50, 60, 70]], np.float32)
    people = np.array([[0, 0, 5, 20], [-10, 0, 2, 20], [0, 0, 10, 5]], np.float32)
    np.testing.assert_allclose(covered(boxes, people), [0.5, 0])
    np.testing.assert_array_equal(covered(boxes, people[:0]), [0, 0])


def test_false_positives_are_boxes_without_keypoints(tmp_path):
    boxes = np.array([[1, 2, 11, 22], [5, 5, 9, 9]], np.float32)
    document = coco_document([(Path("somewhere/a.png"), Size(40, 30), boxes)])
    (tmp_path / "negatives.json").write_text(json.dumps(document))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 40, 3), np.uint8))
    (image,) = read_coco(tmp_path / "negatives.json", [tmp_path])
    np.testing.assert_array_equal(image.boxes_xyxy, boxes)
    assert not image.keypoints.any()
