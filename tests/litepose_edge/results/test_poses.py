"""The nouns the estimator returns."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.errors import InvalidImageError
from litepose_edge.results import poses as poses_module


def some_poses(people: int) -> Poses:
    rng = np.random.default_rng(people)
    low = rng.uniform(0, 50, (people, 2))
    return Poses(
        keypoints=rng.uniform(0, 100, (people, 17, 2)).astype(np.float32),
        scores=rng.random((people, 17)).astype(np.float32),
        boxes_xyxy=np.concatenate([low, low + 20], axis=1).astype(np.float32),
        person_scores=rng.random(people).astype(np.float32),
        skeleton=COCO_17,
        image_size=Size(160, 120),
    )


@pytest.mark.parametrize("people", [0, 1, 3])
def test_a_json_document_follows_schema_1(people):
    document = json.loads(some_poses(people).to_json())
    assert document["schema"] == 1
    assert document["image"] == {"width": 160, "height": 120}
    assert document["keypoint_names"][0] == "nose"
    assert len(document["people"]) == people
    for person in document["people"]:
        assert set(person) == {"track_id", "score", "box_xyxy", "keypoints"}
        assert len(person["keypoints"]) == 17
        assert all(len(point) == 3 for point in person["keypoints"])
        assert all(round(v, 3) == v for point in person["keypoints"] for v in point)


def test_iteration_and_indexing_give_the_same_people():
    poses = some_poses(3)
    for i, person in enumerate(poses):
        np.testing.assert_array_equal(person.keypoints, poses.keypoints[i])
        np.testing.assert_array_equal(poses[i].scores, poses.scores[i])
        assert person.track_id is None
    assert len(poses) == 3
    np.testing.assert_array_equal(poses[-1].keypoints, poses.keypoints[2])
    with pytest.raises(IndexError):
        poses[3]


def test_a_mask_or_a_slice_gives_fewer_people():
    poses = some_poses(3)
    assert len(poses[np.array([True, False, True])]) == 2
    assert len(poses[1:]) == 2
    assert poses[:0].keypoints.shape == (0, 17, 2)


def test_as_tuple_unpacks_as_rtmlib_users_expect():
    keypoints, scores = some_poses(2).as_tuple()
    assert keypoints.shape == (2, 17, 2)
    assert scores.shape == (2, 17)


def test_coco_entries_carry_51_numbers_and_a_score():
    (entry,) = some_poses(1).to_coco(42)
    assert entry["image_id"] == 42
    assert entry["category_id"] == 1
    assert len(entry["keypoints"]) == 51
    assert isinstance(entry["score"], float)
    json.dumps(entry)


def test_no_people_work_everywhere():
    poses = Poses.empty(COCO_17, Size(10, 10))
    assert len(poses) == 0
    assert list(poses) == []
    assert poses.to_coco(1) == []
    assert json.loads(poses.to_json())["people"] == []
    assert poses.draw(np.zeros((10, 10, 3), np.uint8)).shape == (10, 10, 3)
    assert poses.track_ids is None


def test_what_was_predicted_can_be_drawn_whatever_its_size(monkeypatch):
    monkeypatch.setattr(poses_module, "MAX_PIXELS", 100)
    frame = np.zeros((20, 30, 3), np.uint8)
    nobody = Poses.empty(COCO_17, Size(30, 20), min_keypoint_score=0.2)
    assert nobody.draw(frame).shape == frame.shape
    with pytest.raises(InvalidImageError):
        nobody.draw(np.zeros((20, 31, 3), np.uint8))


def test_the_repr_is_one_short_line():
    assert repr(some_poses(2)) == "Poses(2 people, coco17, image 160x120)"
    assert repr(some_poses(1)) == "Poses(1 person, coco17, image 160x120)"


@pytest.mark.parametrize("people", [0, 1, 3])
def test_supervision_gets_the_same_people(people):
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    poses = dataclasses.replace(some_poses(people), track_ids=np.arange(people) + 7)
    there = poses.to_supervision()
    assert isinstance(there, supervision.KeyPoints)
    assert len(there) == people
    if people:
        np.testing.assert_array_equal(there.xy, poses.keypoints)
        np.testing.assert_array_equal(there.keypoint_confidence, poses.scores)
        np.testing.assert_array_equal(there.data["track_id"], poses.track_ids)
        np.testing.assert_array_equal(there.data["person_score"], poses.person_scores)


def test_without_supervision_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match="pip install"):
        some_poses(1).to_supervision()
