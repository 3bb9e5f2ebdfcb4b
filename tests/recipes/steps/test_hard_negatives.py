"""What a detector takes for people where there are none."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from recipes.steps import hard_negatives  # noqa: E402
from recipes.steps.hard_negatives import coco_document, covered  # noqa: E402


def test_a_box_is_covered_by_the_person_that_covers_most_of_it():
    boxes = np.array([[0, 0, 10, 20], [50, 50, 60, 70]], np.float32)
    people = np.array([[0, 0, 5, 20], [-10, 0, 2, 20], [0, 0, 10, 5]], np.float32)
    np.testing.assert_allclose(covered(boxes, people), [0.5, 0])
    np.testing.assert_array_equal(covered(boxes, people[:0]), [0, 0])


def test_false_positives_are_boxes_without_keypoints(tmp_path):
    boxes = np.array([[1, 2, 11, 22], [5, 5, 9, 9]], np.float32)
    (tmp_path / "sub").mkdir()
    path = tmp_path / "sub" / "a.png"
    cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))
    document = coco_document([(path, Size(40, 30), boxes)], [Path("elsewhere"), tmp_path])
    (tmp_path / "negatives.json").write_text(json.dumps(document))
    (image,) = read_coco(tmp_path / "negatives.json", [tmp_path])
    np.testing.assert_array_equal(image.boxes_xyxy, boxes)
    assert not image.keypoints.any()


@pytest.mark.parametrize(
    ("labelled", "judged", "highest", "left"),
    [(False, False, 1, 1), (True, False, 1, 0), (False, True, 1, 0), (False, False, 0.3, 0)],
)
def test_a_false_positive_is_known_to_no_one_and_no_sure_pose(
    labelled, judged, highest, left, photographs, monkeypatch
):
    """A photograph of one person: theirs is the box that labels, judge or pose may take out."""
    nobody, everywhere = np.zeros((0, 4), np.float32), np.array([[0, 0, 512, 512]], np.float32)

    def detect_people(images, judge, progress):
        (people,) = ([everywhere if judged else nobody] for _ in images)
        return [np.column_stack([boxes, np.ones(len(boxes))]) for boxes in people]

    monkeypatch.setattr(hard_negatives, "open_detector", lambda path: None)
    monkeypatch.setattr(hard_negatives, "detect_people", detect_people)
    options = argparse.Namespace(
        detector="persondet",
        pose="lrpose-s",
        judge=None,
        min_score=0.5,
        min_pose_score=0.1,
        max_pose_score=highest,
        max_overlap=0.1,
    )
    people = {photographs / "astronaut.png": everywhere if labelled else nobody}
    found = list(hard_negatives.find(people, options))
    assert [len(boxes) for _, _, boxes in found] == [1] * left
    assert all(size == Size(512, 512) for _, size, _ in found)
