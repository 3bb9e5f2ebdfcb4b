"""Tracking with a network that finds people in whole images."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge import COCO_17, Poses
from litepose_edge.geometry import Size
from litepose_edge.tracking.tracker import Tracker, TrackerOptions
from litepose_edge.tracking.whole_image import WholeImageNetworks

FRAME = np.zeros((480, 640, 3), np.uint8)
SHAPE = np.column_stack([np.linspace(10, 50, 17), np.linspace(10, 140, 17)])
OPTIONS = TrackerOptions(
    detect_every=1, smooth=False, max_missing_s=1.0, min_score=0.3, max_people=20
)


class World:
    """People at known places, each with a confidence."""

    skeleton = COCO_17
    min_keypoint_score = 0.3

    def __init__(self) -> None:
        self.people: list[tuple[float, float]] = []
        self.asked: list[float] = []

    def people_of(self) -> Poses:
        count = len(self.people)
        keypoints = np.array([SHAPE + np.array([x, 100]) for x, _ in self.people], np.float32)
        boxes = np.array([[x, 100, x + 60, 250] for x, _ in self.people], np.float32)
        return Poses(
            keypoints=keypoints.reshape(count, 17, 2),
            scores=np.full((count, 17), 0.9, np.float32),
            boxes_xyxy=boxes.reshape(count, 4),
            person_scores=np.array([score for _, score in self.people], np.float32),
            skeleton=COCO_17,
            image_size=Size(640, 480),
        )


class Networks:
    """Gives the world's people."""

    skeleton = COCO_17
    min_keypoint_score = 0.3

    def __init__(self, world: World) -> None:
        self._world = world

    def people(self, image, min_score, max_boxes):
        self._world.asked.append(min_score)
        return self._world.people_of()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def tracker(world):
    return Tracker(WholeImageNetworks(Networks(world), 20), OPTIONS)


def test_two_people_keep_their_ids_while_they_walk(world, tracker):
    for step in range(12):
        world.people = [(100 + 5 * step, 0.8), (400 - 5 * step, 0.7)]
        poses = tracker.update(FRAME)
        assert poses.track_ids.tolist() == [1, 2]
        np.testing.assert_allclose(poses.keypoints, world.people_of().keypoints)
    np.testing.assert_allclose(poses.person_scores, [0.8, 0.7], atol=1e-6)
    assert len(world.asked) == 12  # one pass a frame


def test_a_person_who_is_not_found_is_not_reported_and_comes_back_the_same(world, tracker):
    world.people = [(100, 0.8), (400, 0.7)]
    tracker.update(FRAME)
    world.people = [(400, 0.7)]
    assert tracker.update(FRAME).track_ids.tolist() == [2]
    world.people = [(400, 0.7), (102, 0.8)]
    assert tracker.update(FRAME).track_ids.tolist() == [1, 2]


def test_a_track_goes_on_at_a_score_that_starts_none(world, tracker):
    world.people = [(100, 0.6)]
    tracker.update(FRAME)
    world.people = [(100, 0.29), (400, 0.29)]
    assert tracker.update(FRAME).track_ids.tolist() == [1]
    assert max(world.asked) < 0.3


def test_an_empty_picture_has_no_tracks(tracker):
    assert len(tracker.update(FRAME)) == 0
