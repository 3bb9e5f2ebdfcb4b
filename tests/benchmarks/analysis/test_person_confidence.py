"""Recall and false positives over the person confidence, on people whose confidence is known."""

from __future__ import annotations

import numpy as np

from benchmarks.analysis import person_confidence
from litepose_edge import COCO_17, Poses
from litepose_edge.geometry import Size
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset

TALL = np.array([100, 100, 200, 400], np.float32)
SMALL = np.array([10, 10, 40, 80], np.float32)
UNLABELLED = np.array([400, 100, 500, 300], np.float32)


def people(*found):
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    count = len(boxes)
    return Poses(
        keypoints=np.zeros((count, 17, 2), np.float32),
        scores=np.full((count, 17), 0.5, np.float32),
        boxes_xyxy=boxes,
        person_scores=np.array([score for _, score in found], np.float32),
        skeleton=COCO_17,
        image_size=Size(640, 480),
    )


def dataset(tmp_path, *boxes):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    joints = np.zeros((len(boxes), 17, 3), np.float32)
    image = AnnotatedImage(1, tmp_path, boxes, joints, np.zeros(len(boxes), np.bool_))
    return CocoDataset(tmp_path, COCO_17.keypoint_names, (image,))


def test_recall_counts_tall_people_and_false_positives_all_boxes(tmp_path):
    labelled = dataset(tmp_path, TALL, SMALL)
    found = [people((TALL, 0.6), (UNLABELLED, 0.5), (SMALL, 0.4))]
    rows = person_confidence.sweep(labelled, found, [], [0.3, 0.55, 0.7])
    assert [row.recall for row in rows] == [1, 1, 0]
    assert [row.false_positives for row in rows] == [1, 0, 0]


def test_people_in_views_without_people_are_counted_at_each_threshold(tmp_path):
    alarms = [people((TALL, 0.35), (SMALL, 0.2)), people(), people((SMALL, 0.5))]
    rows = person_confidence.sweep(dataset(tmp_path), [people()], alarms, [0.2, 0.3, 0.6])
    assert [row.without_people for row in rows] == [3, 2, 0]


def test_a_confidence_of_exactly_the_threshold_counts(tmp_path):
    (row,) = person_confidence.sweep(dataset(tmp_path), [people()], [people((TALL, 0.2))], [0.2])
    assert row.without_people == 1
