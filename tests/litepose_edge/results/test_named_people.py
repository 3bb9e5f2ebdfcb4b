"""People by names: keypoints, angles, lengths, tables, other libraries."""

from __future__ import annotations

import dataclasses
import math
import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from litepose_edge import COCO_17, LitePoseError, Poses, Size
from litepose_edge.boxes import clip_boxes
from litepose_edge.errors import UnknownKeypointError
from litepose_edge.results import Keypoint, angle

ELBOW, WRIST, SHOULDER = 7, 9, 5


@pytest.fixture
def poses():
    """Two people; the first one's left arm is bent by a right angle."""
    rng = np.random.default_rng(3)
    keypoints = rng.uniform(10, 90, (2, 17, 2)).astype(np.float32)
    keypoints[0, [SHOULDER, ELBOW, WRIST]] = (20, 20), (20, 50), (60, 50)
    scores = np.full((2, 17), 0.8, np.float32)
    scores[1, ELBOW] = 0.1
    return Poses(
        keypoints=keypoints,
        scores=scores,
        boxes_xyxy=np.array([[10, 10, 60, 90], [0, 0, 100, 50]], np.float32),
        person_scores=np.array([0.9, 0.5], np.float32),
        skeleton=COCO_17,
        image_size=Size(200, 100),
        min_keypoint_score=0.25,
    )


def test_a_keypoint_has_a_name_and_three_numbers(poses):
    person = poses[0]
    elbow = person["left_elbow"]
    assert elbow == Keypoint(20.0, 50.0, pytest.approx(0.8))
    x, y, score = elbow
    assert (x, y) == (elbow.x, elbow.y)
    assert score == elbow.score
    assert all(type(number) is float for number in elbow)
    assert person[ELBOW] == elbow
    assert list(person) == [person[name] for name in person.keypoint_names]
    assert len(person) == 17
    assert person.skeleton is COCO_17


def test_an_unknown_name_says_what_was_meant(poses):
    with pytest.raises(UnknownKeypointError, match="did you mean left_elbow or right_elbow"):
        poses[0]["elbow"]
    with pytest.raises(KeyError, match="it has nose, left_eye"):
        poses[0]["tail"]
    with pytest.raises(LitePoseError, match=r"^no keypoint"):
        poses.angle("left_hip", "left_kne", "left_ankle")
    with pytest.raises(IndexError):
        poses[0][17]


def test_visible_is_a_score_of_at_least_the_models_threshold(poses):
    assert poses.visible.shape == (2, 17)
    assert poses.visible.dtype == np.bool_
    assert poses.visible.sum() == 33
    assert not poses.visible[1, ELBOW]
    np.testing.assert_array_equal(poses[1].visible, poses.visible[1])
    at_it = dataclasses.replace(poses, min_keypoint_score=float(poses.scores[0, 0]))
    assert at_it.visible[0, 0]
    assert poses[0].sees("left_elbow", "nose")
    assert not poses[1].sees("left_elbow", "nose")
    assert poses[1:].min_keypoint_score == 0.25


def test_a_score_at_the_threshold_is_visible_by_every_word_for_it(poses):
    """float32(0.7) is less than 0.7."""
    at_it = dataclasses.replace(
        poses, scores=np.full((2, 17), 0.7, np.float32), min_keypoint_score=0.7
    )
    assert at_it.visible.all()
    assert at_it[0].sees(*at_it.skeleton.keypoint_names)
    assert at_it[0].angle("nose", "left_hip", "left_knee") == pytest.approx(
        at_it.angle("nose", "left_hip", "left_knee")[0]
    )


def test_a_person_has_keypoints_by_their_names(poses):
    assert "nose" in poses[0]
    assert "wing" not in poses[0]
    assert 0 not in poses[0]


def test_angles_are_degrees_at_the_middle_point(poses):
    assert poses[0].angle("left_shoulder", "left_elbow", "left_wrist") == pytest.approx(90)
    assert math.isnan(poses[1].angle("left_shoulder", "left_elbow", "left_wrist"))
    np.testing.assert_allclose(
        poses.angle("left_shoulder", "left_elbow", "left_wrist"), [90, np.nan], atol=1e-4
    )
    empty = poses[:0].angle("left_shoulder", "left_elbow", "left_wrist")
    assert empty.shape == (0,)


@pytest.mark.parametrize(
    ("c", "degrees"), [((1, 0), 0), ((1, 1), 45), ((0, 5), 90), ((-2, 0), 180), ((0, -1), 90)]
)
def test_an_angle_of_points(c, degrees):
    assert angle((1, 0), (0, 0), c) == pytest.approx(degrees)
    assert angle(c, (0, 0), (1, 0)) == pytest.approx(degrees)
    assert angle(Keypoint(1, 0, 0.9), Keypoint(0, 0, 0.1), (*c, 0.5)) == pytest.approx(degrees)


def test_an_angle_at_a_point_that_is_also_an_end_is_not_a_number():
    assert math.isnan(angle((1, 1), (1, 1), (2, 0)))
    assert math.isnan(angle((math.inf, 0), (0, 0), (1, 1)))
    assert math.isnan(angle((math.inf, 0), (math.inf, 0), (0, 1)))
    assert math.isnan(angle((1, 0), (0, 0), (math.nan, 1)))
    assert angle(np.eye(2), np.zeros(2), np.eye(2)[::-1]).tolist() == [90, 90]


def test_bones_have_names_and_lengths(poses):
    lengths = poses.bone_lengths()
    arm = COCO_17.bone_names.index(("left_shoulder", "left_elbow"))
    assert lengths.shape == (2, len(COCO_17.bones))
    assert lengths[0, arm] == pytest.approx(30)
    assert np.isnan(lengths[1, arm])
    np.testing.assert_array_equal(poses[0].bone_lengths(), lengths[0])
    assert poses[:0].bone_lengths().shape == (0, len(COCO_17.bones))


def test_a_table_has_a_row_a_person_and_a_column_a_number(poses):
    table = poses.named()
    assert list(table)[:7] == [
        "person", "score", "box_x1", "box_y1", "box_x2", "box_y2", "nose_x",
    ]  # fmt: skip
    assert len(table) == 6 + 3 * 17
    assert all(column.shape == (2,) and column.flags.c_contiguous for column in table.values())
    assert table["left_elbow_x"][0] == 20
    assert table["left_elbow_score"][1] == pytest.approx(0.1)
    table["left_elbow_x"][0] = 7
    assert poses.keypoints[0, ELBOW, 0] == 20
    tracked = dataclasses.replace(poses, track_ids=np.array([4, 9]))
    assert tracked.named()["track_id"].tolist() == [4, 9]
    assert all(column.shape == (0,) for column in poses[:0].named().values())


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_table_becomes_a_data_frame(poses, library):
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    frame = frames.DataFrame(poses.named())
    assert frame.shape == (2, 57)
    assert frame["left_elbow_y"][0] == 50


def test_normalized_places_are_parts_of_the_image(poses):
    keypoints, boxes = poses.to_normalized()
    # Pixel 20 is the 21st of 200: its centre lies 20.5 pixels from the edge.
    np.testing.assert_allclose(keypoints[0, ELBOW], [20.5 / 200, 50.5 / 100], rtol=1e-6)
    np.testing.assert_allclose(boxes[1], [0.5 / 200, 0.5 / 100, 0.5025, 0.505], rtol=1e-6)
    assert keypoints.dtype == boxes.dtype == np.float32
    assert poses.to_normalized().boxes_xyxy.shape == (2, 4)


def test_supervisions_annotators_leave_out_what_is_not_visible(poses):
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    there = poses.to_supervision()
    np.testing.assert_array_equal(there.visible, poses.visible)
    np.testing.assert_array_equal(there.detection_confidence, poses.person_scores)
    wrist_only = np.zeros((2, 17), np.float32)
    wrist_only[0, WRIST] = 0.9
    picture = np.zeros((100, 200, 3), np.uint8)
    annotator = supervision.VertexAnnotator(radius=3)
    drawn = annotator.annotate(
        picture.copy(), dataclasses.replace(poses, scores=wrist_only).to_supervision()
    )
    rows, columns = drawn.any(axis=2).nonzero()
    assert len(rows) > 9
    assert (np.hypot(columns - 60, rows - 50) < 6).all()
    none = dataclasses.replace(poses, scores=np.zeros((2, 17), np.float32)).to_supervision()
    lines = supervision.EdgeAnnotator(edges=[(a + 1, b + 1) for a, b in COCO_17.bones])
    assert not lines.annotate(picture.copy(), none).any()


def test_supervision_gets_the_same_fields_of_nobody(poses):
    pytest.importorskip("supervision", reason="supervision is not installed")
    tracked = dataclasses.replace(poses, track_ids=np.array([1, 2]))
    nobody = tracked[:0].to_supervision()
    assert len(nobody) == 0
    assert nobody.data.keys() == tracked.to_supervision().data.keys()
    assert (nobody.detection_confidence > 0.5).shape == (0,)


def test_older_supervision_gets_invisible_keypoints_at_its_own_place_for_them(poses, monkeypatch):
    class KeyPoints:
        def __init__(self, xy, class_id, confidence, data):
            self.xy = xy

    monkeypatch.setitem(sys.modules, "supervision", types.SimpleNamespace(KeyPoints=KeyPoints))
    there = poses.to_supervision()
    assert there.xy[1, ELBOW].tolist() == [0, 0]
    assert (there.xy[poses.visible] == poses.keypoints[poses.visible]).all()


def test_the_repr_of_a_person_is_one_short_line(poses):
    assert repr(poses[1]) == "Person(score 0.50, 16 of 17 keypoints visible)"
    tracked = dataclasses.replace(poses, track_ids=np.array([4, 9]))
    assert repr(tracked[1]).startswith("Person(id 9, ")


NO_NAMES = (None, 1.5, float("nan"), True, b"nose", ("nose",), [], np.arange(3), np.True_, Ellipsis)


@pytest.mark.parametrize("wrong", NO_NAMES, ids=repr)
def test_what_is_no_name_is_refused_by_a_sentence(poses, wrong):
    for ask in (
        lambda: poses.angle(wrong, "nose", "left_eye"),
        lambda: poses[0].angle("nose", wrong, "left_eye"),
        lambda: poses[0][wrong],
        lambda: poses[0].sees("nose", wrong),
        lambda: COCO_17.index(wrong),
    ):
        with pytest.raises(UnknownKeypointError, match="expected the name of a keypoint"):
            ask()


@pytest.mark.parametrize("place", [17, -18, 10**30, np.int64(99)])
def test_a_keypoint_that_is_not_there_is_an_index_error(poses, place):
    with pytest.raises(IndexError, match=r"coco17 has 17 keypoints, from 0; got"):
        poses[0][place]
    assert poses[0][np.int64(0)] == poses[0]["nose"] == poses[0][-17]


@pytest.mark.parametrize(
    "wrong",
    [None, True, np.True_, "nose", 1.5, float("nan"), {}, 2, -3, [2], [True], [[0]], slice("a")],
    ids=repr,
)
def test_people_are_chosen_by_what_numpy_takes_for_one_axis(poses, wrong):
    with pytest.raises(IndexError, match="people"):
        poses[wrong]


def test_people_are_chosen_by_numbers_slices_masks_and_indices(poses):
    assert poses[np.int64(-1)].score == poses[1].score == pytest.approx(0.5)
    for choice, count in (
        ([], 0),
        (slice(1, None), 1),
        ([1, 0, 1], 3),
        ([True, False], 1),
        (poses.person_scores > 0.6, 1),
        (np.array([-1]), 1),
        (slice(5, 9), 0),
    ):
        assert len(poses[choice]) == count


@pytest.mark.parametrize("wrong", [None, float("nan"), 1.5, True, "7", b"7", [7], 2**63, -(2**70)])
def test_an_images_id_is_a_whole_number(poses, wrong):
    with pytest.raises(ValueError, match="image_id must be"):
        poses.to_coco(wrong)


def test_an_images_id_may_be_numpys(poses):
    for given in (7, np.int64(7), np.uint8(7)):
        ids = [entry["image_id"] for entry in poses.to_coco(given)]
        assert ids == [7, 7]
        assert all(type(number) is int for number in ids)


@pytest.mark.parametrize("wrong", [None, "nose", 3, (1,), 1j, [[]], Ellipsis], ids=repr)
def test_an_angle_is_between_points(wrong):
    with pytest.raises(ValueError, match="expected a point"):
        angle((1, 0), wrong, (0, 1))


def test_an_angle_is_between_points_of_one_shape():
    assert angle((1, 0), (0, 0), np.array([(0, 1), (1, 0)])).tolist() == [90, 0]
    with pytest.raises(ValueError, match="one shape"):
        angle(np.zeros((2, 2)), np.ones((3, 2)), (0, 1))


def test_a_box_as_large_as_the_image_goes_from_0_to_1(poses):
    whole = clip_boxes(np.array([[-9, -9, 9999, 9999]], np.float32), poses.image_size)
    boxes = replace(poses[:1], boxes_xyxy=whole).to_normalized().boxes_xyxy
    np.testing.assert_allclose(boxes[0], [0, 0, 1, 1], atol=1e-6)
