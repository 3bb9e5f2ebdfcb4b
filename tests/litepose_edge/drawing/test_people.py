"""Skeletons on images."""

from __future__ import annotations

import numpy as np

from litepose_edge import COCO_17, drawing
from litepose_edge.skeletons import KNOWN, side_of


def draw(points, scores, image=None, **options):
    image = np.zeros((100, 100, 3), np.uint8) if image is None else image
    keypoints = np.asarray(points, np.float32).reshape(-1, 17, 2)
    return drawing.draw_people(
        image, keypoints, np.asarray(scores, np.float32).reshape(-1, 17), COCO_17, **options
    )


def test_the_image_itself_stays_clean():
    image = np.zeros((100, 100, 3), np.uint8)
    drawn = draw(np.full((17, 2), 50), np.ones(17), image)
    assert not image.any()
    assert drawn.any()


def test_keypoints_of_low_scores_are_not_drawn():
    assert not draw(np.full((17, 2), 50), np.full(17, 0.29)).any()
    assert draw(np.full((17, 2), 50), np.full(17, 0.29), min_score=0.2).any()


def test_a_bone_needs_both_its_ends():
    points = np.zeros((17, 2))
    points[5], points[7] = (20, 20), (80, 80)  # left shoulder and elbow
    scores = np.zeros(17)
    scores[[5, 7]] = 1
    assert draw(points, scores)[50, 50].any()
    scores[7] = 0
    assert not draw(points, scores)[50, 50].any()


def test_the_left_side_is_warm_and_the_right_side_cold():
    points = np.zeros((17, 2))
    points[[5, 7]], points[[6, 8]] = [(10, 20), (90, 20)], [(10, 70), (90, 70)]
    scores = np.zeros(17)
    scores[5:9] = 1
    drawn = draw(points, scores)
    blue, _, red = drawn[20, 50]
    assert red > blue
    blue, _, red = drawn[70, 50]
    assert blue > red


def test_points_far_outside_do_no_harm():
    points = np.full((17, 2), 1e9)
    points[0] = (-1e9, 5)
    assert draw(points, np.ones(17)).shape == (100, 100, 3)


def test_a_view_that_is_not_contiguous_is_drawn_on():
    image = np.zeros((100, 100, 3), np.uint8)[::-1, ::-1]
    assert draw(np.full((17, 2), 50), np.ones(17), image).any()


def test_sides_are_told_by_names_in_any_spelling_and_hands_have_none():
    assert side_of("left_eye") == side_of("L_Paw") == "left"
    assert side_of("right-hand root") == "right"
    assert side_of("nose") is side_of("thumb1") is side_of("lip") is None


def test_every_known_set_is_drawn():
    for skeleton in KNOWN:
        points = np.random.default_rng(0).uniform(10, 90, (1, len(skeleton), 2)).astype(np.float32)
        scores = np.ones((1, len(skeleton)), np.float32)
        image = np.zeros((100, 100, 3), np.uint8)
        assert drawing.draw_people(image, points, scores, skeleton).any()
