"""People that a detector finds become people to learn from, or crowds."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from recipes.steps.people_without_keypoints import coco_document  # noqa: E402


def test_large_and_sure_people_are_to_learn_from_and_others_are_crowds(tmp_path):
    people = np.array(
        [
            [10, 10, 110, 210, 0.9],
            [12, 12, 112, 212, 0.8],  # the first again
            [150, 20, 250, 220, 0.4],  # unsure
            [260, 20, 290, 100, 0.9],  # small
            [-20, 100, 60, 300, 0.6],  # beyond the edges
        ],
        np.float32,
    )
    nobody = np.zeros((0, 5), np.float32)
    found = [("a.jpg", (240, 320), people), ("b.jpg", (240, 320), nobody)]
    document = coco_document(found, min_score=0.5, min_side_px=48, max_overlap=0.7)
    assert [image["file_name"] for image in document["images"]] == ["a.jpg"]
    assert [person["iscrowd"] for person in document["annotations"]] == [0, 1, 1, 1, 0]
    assert document["annotations"][4]["bbox"] == [0, 100, 60, 140]
    (tmp_path / "people.json").write_text(json.dumps(document))
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((240, 320, 3), np.uint8))
    (image,) = read_coco(tmp_path / "people.json", [tmp_path])
    assert image.crowd.tolist() == [False, True, True, True, False]
    assert not image.keypoints.any()
