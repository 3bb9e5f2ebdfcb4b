"""Fit by what people are like, on people whose likeness is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.analysis import failures
from litepose_edge import COCO_17, Estimator
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset
from litepose_edge.sources import read_image

CAMERA_MAN = np.array([120, 60, 420, 511], np.float32)


@pytest.fixture(scope="module")
def estimator():
    with Estimator(detector=None, threads=1) as made:
        yield made


@pytest.fixture(scope="module")
def pose(estimator, photographs):
    pixels = read_image(photographs / "camera.png")
    return estimator.predict(pixels, boxes_xyxy=[CAMERA_MAN]).keypoints[0]


@pytest.fixture
def photographed(photographs):
    """`labels (P, K, 2), boxes -> dataset` of one photograph with these people."""

    def make(labels, boxes):
        path = photographs / "camera.png"
        visible = np.full((*np.shape(labels)[:2], 1), 2)
        joints = np.concatenate([labels, visible], axis=2).astype(np.float32)
        boxes = np.array(boxes, np.float32)
        image = AnnotatedImage(7, path, boxes, joints, np.zeros(len(boxes), np.bool_))
        return CocoDataset(path, COCO_17.keypoint_names, (image,))

    return make


def test_a_pose_fits_its_own_labels(estimator, photographed, pose):
    (person,) = failures.measure(estimator, photographed([pose], [CAMERA_MAN]))
    assert person.fit == 1
    assert person.mistake == "no"
    assert person.traits["height"] == "256 px or more"
    assert person.traits["at the border"] == "yes"  # the box ends at 511 of 512
    assert person.traits["hidden joints"] == "under 1 %"


def test_left_for_right_is_told_from_wrong(estimator, photographed, pose):
    mirrored = pose[list(COCO_17.flip_permutation)]
    (person,) = failures.measure(estimator, photographed([mirrored], [CAMERA_MAN]))
    assert person.mistake == "left for right"
    assert person.fit < 0.75
    (person,) = failures.measure(estimator, photographed([pose + 200], [CAMERA_MAN]))
    assert person.mistake == "no"
    assert person.fit < 0.1


def test_another_persons_pose_is_named(estimator, photographed, pose):
    dataset = photographed([pose + 200, pose], [CAMERA_MAN, CAMERA_MAN])
    first, second = failures.measure(estimator, dataset)
    assert (first.mistake, second.mistake) == ("another person", "no")


def test_unlabelled_keypoints_do_not_count(estimator, photographed, pose):
    dataset = photographed([np.where(np.arange(17)[:, None] < 5, pose, 0)], [CAMERA_MAN])
    dataset.images[0].keypoints[0, 5:, 2] = 0
    (person,) = failures.measure(estimator, dataset)
    assert person.fit == 1
    assert np.isnan(person.near[5:]).all()
    assert person.traits["torso"] == "unknown"
    joints = failures.by_joint([person])
    assert joints == {"face": 1}


def test_groups_add_up_and_sort_by_size(estimator, photographed, pose):
    dataset = photographed([pose + 200, pose], [CAMERA_MAN, [120, 60, 420, 211]])
    rows = failures.group(failures.measure(estimator, dataset))
    assert (rows[0].trait, rows[0].people) == ("all people", 2)
    for trait in {row.trait for row in rows}:
        assert sum(row.people for row in rows if row.trait == trait) == 2
    heights = [row.value for row in rows if row.trait == "height"]
    assert heights == ["128 to 256 px", "256 px or more"]


def test_steps_meet_without_a_gap():
    limits = (1, 20, 50)
    words = [failures.step(v, limits, "%") for v in (0.0, 1.0, 19.9, 20.0, 50.0, 100.0)]
    assert words == [
        "under 1 %",
        "1 to 20 %",
        "1 to 20 %",
        "20 to 50 %",
        "50 % or more",
        "50 % or more",
    ]


def test_covered_is_a_part_of_the_own_box():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 25, 10], [100, 100, 110, 110]], np.float32)
    assert failures.covered(boxes, 0) == pytest.approx(0.5)
    assert failures.covered(boxes, 1) == pytest.approx(0.25)
    assert failures.covered(boxes, 2) == 0
    assert failures.covered(boxes[:1], 0) == 0


@pytest.mark.parametrize(
    ("turn", "word"), [((0, -1), "upright"), ((1, 0), "lying"), ((0, 1), "upside down")]
)
def test_torso_points_where_the_shoulders_are(turn, word):
    joints = np.full((17, 3), 2, np.float32)
    joints[:, :2] = 50
    joints[list(failures.SHOULDERS), :2] += 20 * np.array(turn)
    assert failures.torso(joints) == word


def test_the_sheet_shows_every_person(estimator, photographed, pose):
    dataset = photographed([pose, pose + 200], [CAMERA_MAN, CAMERA_MAN])
    drawn = failures.sheet(estimator, dataset, failures.measure(estimator, dataset))
    assert drawn.shape == (failures.TILE, 2 * failures.TILE, 3)
    tiles = np.hsplit(drawn, 2)
    assert all((tile > 0).mean() > 0.5 for tile in tiles)
    assert (tiles[0] != tiles[1]).any()
