"""Recall and false positives of a detector over its threshold, on boxes whose score is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.analysis import detector_thresholds
from litepose_edge import COCO_17
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset

BOXES = np.array([[100, 100, 200, 400], [400, 100, 500, 300]], np.float32)
SCORES = np.array([0.52, 0.33], np.float32)


def detect(image, min_score):
    kept = min_score <= SCORES
    return BOXES[kept], SCORES[kept]


def test_each_threshold_leaves_out_the_boxes_below_it(tmp_path):
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((480, 640, 3), 90, np.uint8))
    joints = np.zeros((1, 17, 3), np.float32)
    image = AnnotatedImage(1, path, BOXES[:1], joints, np.zeros(1, np.bool_))
    rows = {
        row.threshold: (row.recall, row.false_positives)
        for row in detector_thresholds.sweep(
            detect, CocoDataset(path, COCO_17.keypoint_names, (image,))
        )
    }
    assert rows[0.3] == (1, 1)
    assert rows[0.35] == rows[0.5] == (1, 0)
    assert rows[0.55] == (0, 0)


def test_the_highest_score_is_told_for_the_whole_photograph_and_its_crops():
    pytest.importorskip("skimage")

    def by_width(image, min_score):
        return np.zeros((1, 4), np.float32), np.array([image.shape[1] / 1000], np.float32)

    scores = detector_thresholds.highest_scores(by_width, crops=1)
    assert len(scores) == 10
    assert scores["coffee"] == (pytest.approx(0.6), pytest.approx(0.32))
