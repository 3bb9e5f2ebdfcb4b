"""What `Poses.draw` draws, and what it refuses."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Poses, Size, Trails
from litepose_edge.drawing.palette import LEFT, PEOPLE, RIGHT, text_colour
from litepose_edge.errors import InvalidImageError
from litepose_edge.streaming import StreamResult
from moving_people import body, poses_of

GROUND = np.full((480, 640, 3), 128, np.uint8)
NOTHING = {"skeletons": False, "boxes": False, "labels": False}


@pytest.fixture
def poses():
    return poses_of(body(feet=(150, 400)), body(feet=(450, 400)))


def has(picture, colour):
    return bool((picture == np.array(colour, np.uint8)).all(axis=2).any())


def changed(picture):
    return (picture != GROUND).any(axis=2)


def test_each_part_can_be_left_out(poses):
    assert not changed(poses.draw(GROUND, **NOTHING)).any()
    for part in ("skeletons", "boxes"):
        assert changed(poses.draw(GROUND, **{**NOTHING, part: True})).any()
    labels = {**NOTHING, "labels": True}
    assert changed(poses.draw(GROUND, **labels)).any()
    assert not changed(poses.draw(GROUND, **labels, ids=False)).any()
    assert changed(poses.draw(GROUND, **labels, ids=False, scores=True)).any()
    untracked = dataclasses.replace(poses, track_ids=None)
    assert not changed(untracked.draw(GROUND, **labels)).any()


def test_a_box_lies_on_the_edges_of_the_box(poses):
    drawn = changed(poses.draw(GROUND, **{**NOTHING, "boxes": True}, thickness=1))
    x1, y1, x2, y2 = poses.boxes_xyxy[0].round().astype(int)
    assert drawn[y1, x1:x2].all()
    assert drawn[y1:y2, x2].all()
    assert not drawn[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].any()


def test_tracked_people_have_the_colour_of_their_id_and_others_their_sides(poses):
    tracked = poses.draw(GROUND, labels=False)
    assert has(tracked, PEOPLE[1])
    assert has(tracked, PEOPLE[2])
    assert not has(tracked, LEFT)
    again = poses[::-1].draw(GROUND, labels=False)
    np.testing.assert_array_equal(again[:, :300], tracked[:, :300])
    sides = dataclasses.replace(poses, track_ids=None).draw(GROUND, boxes=False)
    assert has(sides, LEFT)
    assert has(sides, RIGHT)


def test_a_palette_is_a_name_or_colours_of_ones_own(poses):
    assert has(poses.draw(GROUND, palette="side"), LEFT)
    own = poses.draw(GROUND, palette=[(1, 2, 3), (250, 0, 250)])
    assert has(own, (1, 2, 3))
    assert has(own, (250, 0, 250))
    untracked = dataclasses.replace(poses, track_ids=None)
    assert not has(untracked.draw(GROUND, palette="person"), LEFT)
    for wrong in ("rainbow", [], [(1, 2)], [(1, 2, 300)], 7):
        with pytest.raises(ValueError, match="palette must be 'person', 'side' or a list of BGR"):
            poses.draw(GROUND, palette=wrong)


def test_lines_and_labels_grow_with_the_picture(poses):
    big = dataclasses.replace(
        poses,
        keypoints=poses.keypoints * 4,
        boxes_xyxy=poses.boxes_xyxy * 4,
        image_size=Size(2560, 1920),
    )
    large = big.draw(np.full((1920, 2560, 3), 128, np.uint8))
    shrunk = cv2.resize(large, (640, 480), interpolation=cv2.INTER_AREA)
    small = poses.draw(GROUND)
    share = changed(shrunk).mean() / changed(small).mean()
    assert 0.7 < share < 1.4


def test_thickness_and_radius_are_pixels_and_0_draws_none(poses):
    plain = {"boxes": False, "labels": False}
    thin = changed(poses.draw(GROUND, **plain, thickness=1, radius=0))
    thick = changed(poses.draw(GROUND, **plain, thickness=9, radius=0))
    assert thick.sum() > 1.5 * thin.sum()
    dots = changed(poses.draw(GROUND, **plain, thickness=0, radius=6))
    x, y = poses.keypoints[0, 15].round().astype(int)
    assert dots[y - 6 : y + 7, x].all()
    assert not dots[y, x + 9]
    assert not changed(poses.draw(GROUND, **plain, thickness=0, radius=0)).any()
    for name in ("thickness", "radius"):
        for wrong in (-1, 1.5, True, 5000):
            with pytest.raises(ValueError, match=name):
                poses.draw(GROUND, **{name: wrong})


def test_keypoints_are_drawn_from_the_models_threshold_on(poses):
    unsure = dataclasses.replace(
        poses, scores=np.full((2, 17), 0.4, np.float32), min_keypoint_score=0.5
    )
    only = {"boxes": False, "labels": False}
    assert not changed(unsure.draw(GROUND, **only)).any()
    assert changed(unsure.draw(GROUND, **only, min_score=0.4)).any()
    with pytest.raises(ValueError, match="min_score"):
        unsure.draw(GROUND, min_score=1.1)


def test_labels_are_texts_one_a_person(poses):
    named = poses.draw(GROUND, labels=["squats: 3", ""], ids=False, boxes=False, skeletons=False)
    assert changed(named)[:, :320].any()
    assert not changed(named)[:, 320:].any()
    with pytest.raises(ValueError, match="1 labels for 2 people"):
        poses.draw(GROUND, labels=["one"])
    with pytest.raises(ValueError, match="a list with a text for each person, got 'one'"):
        poses.draw(GROUND, labels="one")


def test_labels_of_people_side_by_side_do_not_cover_each_other():
    near = poses_of(*(body(feet=(300 + 9 * i, 400)) for i in range(4)))
    drawn = near.draw(GROUND, **{**NOTHING, "labels": True})
    areas = [(drawn == np.array(PEOPLE[i], np.uint8)).all(axis=2).sum() for i in range(1, 5)]
    assert min(areas) > 0.6 * max(areas)


def test_a_label_at_the_edge_of_the_picture_is_inside_it():
    poses = poses_of(body(feet=(5, 150)), body(feet=(638, 470)))
    drawn = poses.draw(GROUND, **{**NOTHING, "labels": True}, scores=True)
    for i in (1, 2):
        ground = (drawn == np.array(PEOPLE[i], np.uint8)).all(axis=2)
        assert ground.sum() > 300


def test_text_is_black_on_light_and_white_on_dark_colours():
    assert text_colour((0, 255, 255)) == (0, 0, 0)
    assert text_colour((120, 0, 0)) == (255, 255, 255)


def test_a_frame_is_what_predict_takes_in_either_colour_order(poses, tmp_path):
    drawn = poses.draw(GROUND)
    path = tmp_path / "ground.png"
    cv2.imwrite(str(path), GROUND)
    np.testing.assert_array_equal(poses.draw(path), drawn)
    np.testing.assert_array_equal(poses.draw(GROUND[..., ::-1], colour="rgb"), drawn[..., ::-1])
    assert not changed(GROUND).any()


def test_a_frame_of_another_size_is_refused(poses):
    with pytest.raises(InvalidImageError, match="of a 640x480 image, the frame is 320x240"):
        poses.draw(GROUND[::2, ::2])
    with pytest.raises(InvalidImageError, match="got NoneType"):
        poses.draw(None)


def test_a_trail_shows_the_last_seconds_of_each_person():
    trails = Trails(length_s=1.0)
    for i in range(31):
        poses = poses_of(body(feet=(100 + 10 * i, 400)))
        trails.update(poses, i / 10)
    drawn = changed(poses.draw(GROUND, **NOTHING, trails=trails))
    columns = np.flatnonzero(drawn.any(axis=0))
    middle = float(poses.boxes_xyxy[0, [0, 2]].mean())
    assert columns.max() == pytest.approx(middle, abs=4)
    assert columns.min() == pytest.approx(middle - 100, abs=5)  # 10 pixels each tenth of a second
    none_there = poses[:0]
    trails.update(none_there, 3.5)
    shorter = np.flatnonzero(changed(none_there.draw(GROUND, trails=trails)).any(axis=0))
    assert shorter.min() > columns.min() + 30
    trails.update(none_there, 5)
    assert not changed(none_there.draw(GROUND, trails=trails)).any()


def test_people_without_ids_leave_no_trail(poses):
    trails = Trails()
    for _ in range(3):
        trails.update(dataclasses.replace(poses, track_ids=None))
    assert not changed(poses.draw(GROUND, **NOTHING, trails=trails)).any()
    with pytest.raises(ValueError, match="length_s"):
        Trails(length_s=-1)


def test_notebooks_show_people_without_and_with_their_frame(poses):
    for shown in (poses, poses[:0], StreamResult(GROUND, poses, 0, 0.0)):
        picture = cv2.imdecode(np.frombuffer(shown._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (480, 640, 3)
    large = dataclasses.replace(poses, image_size=Size(4000, 2000))
    small = cv2.imdecode(np.frombuffer(large._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (320, 640, 3)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), "now", True, 1e300, 1j])
def test_a_trails_time_is_a_finite_number(wrong):
    trails = Trails()
    with pytest.raises(ValueError, match="timestamp_s must"):
        trails.update(tracked(), wrong)
    assert trails.update(tracked(), 3) is trails


@pytest.mark.parametrize("wrong", [None, 1, b"one", np.float32(1)])
def test_labels_are_a_switch_or_texts(wrong):
    frame = np.zeros((90, 120, 3), np.uint8)
    with pytest.raises(ValueError, match="labels must be"):
        tracked().draw(frame, labels=wrong)
    assert tracked().draw(frame, labels=("a",)).any()


def test_a_label_is_one_line():
    frame = np.zeros((90, 120, 3), np.uint8)
    two = tracked().draw(frame, ids=False, labels=["a\nb"])
    np.testing.assert_array_equal(two, tracked().draw(frame, ids=False, labels=["a b"]))


def test_trails_are_trails():
    with pytest.raises(ValueError, match="trails must be Trails"):
        tracked().draw(np.zeros((90, 120, 3), np.uint8), trails=True)


def test_a_palette_of_an_array_is_refused_by_a_sentence():
    with pytest.raises(ValueError, match="palette must be"):
        tracked().draw(np.zeros((90, 120, 3), np.uint8), palette=np.zeros((2, 3), int))


def tracked():
    return Poses(
        keypoints=np.full((1, 17, 2), 40, np.float32),
        scores=np.ones((1, 17), np.float32),
        boxes_xyxy=np.array([[10, 10, 80, 80]], np.float32),
        person_scores=np.ones(1, np.float32),
        skeleton=COCO_17,
        image_size=Size(120, 90),
        track_ids=np.array([4]),
    )


def test_a_trail_that_comes_from_far_away_is_drawn():
    trails = Trails(length_s=1.0)
    poses = poses_of(body(feet=(320, 400)))
    far = dataclasses.replace(poses, boxes_xyxy=poses.boxes_xyxy + np.float32(3e8))
    for i, people in enumerate((far, poses)):
        trails.update(people, i / 10)
    assert changed(poses.draw(GROUND, **NOTHING, trails=trails)).any()
