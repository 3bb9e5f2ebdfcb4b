"""One camera's people over time, with a detector and a network that know the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from litepose_edge import COCO_17, Estimator
from litepose_edge.boxes import box_iou
from litepose_edge.person_filter import person_confidence
from litepose_edge.tracking.tracker import Tracker, TrackerOptions

WIDTH, HEIGHT = 640, 480
SHAPE = np.column_stack(
    [np.random.default_rng(5).uniform(-0.2, 0.2, 17), np.linspace(-0.42, 0.42, 17)]
)
OPTIONS = TrackerOptions(
    detect_every=10, smooth=False, max_missing_s=1.0, min_score=0.3, max_people=20
)


class World:
    """People at known places; a detector that boxes them, a network that finds who is in a box."""

    skeleton = COCO_17
    min_keypoint_score = 0.3

    def __init__(self, size: float = 150.0) -> None:
        self.people: dict[str, tuple[float, float]] = {}
        self.size = size
        self.detections = 0
        self.crops = 0
        self.box_score = 0.7
        self.keypoint_score = 0.9
        self.false_positives: list[tuple[float, float]] = []
        self.picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def box(self, place: tuple[float, float]) -> list[float]:
        x, y = place
        return [x - 0.3 * self.size, y - self.size / 2, x + 0.3 * self.size, y + self.size / 2]

    def shape(self, name: str) -> np.ndarray:
        return (SHAPE * self.size + self.people[name]).astype(np.float32)

    def boxes(self, image: np.ndarray, min_score: float) -> tuple[np.ndarray, np.ndarray]:
        self.detections += 1
        boxes = [self.box(place) for place in [*self.people.values(), *self.false_positives]]
        found = np.array(boxes, np.float32).reshape(-1, 4)
        return found, np.full(len(found), self.box_score, np.float32)

    def keypoints(
        self, image: np.ndarray, boxes: np.ndarray, *, detected: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        assert detected
        self.crops += len(boxes)
        keypoints = np.zeros((len(boxes), 17, 2), np.float32)
        scores = np.full((len(boxes), 17), 0.02, np.float32)
        names = list(self.people)
        truth = np.array([self.box(self.people[n]) for n in names], np.float32).reshape(-1, 4)
        for i, box in enumerate(boxes):
            keypoints[i] = (box[:2] + box[2:]) / 2
            overlap = box_iou(box[None], truth)[0]
            if len(names) and overlap.max() > 0.25:
                keypoints[i] = self.shape(names[int(overlap.argmax())])
                scores[i] = self.keypoint_score
        return keypoints, scores

    def confidence(self, box_scores: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return person_confidence(box_scores, scores, 0.5)

    def reported_scores(self, scores: np.ndarray) -> np.ndarray:
        return scores

    def tracker(self, **changes) -> Tracker:
        return Tracker(self, replace(OPTIONS, **changes))


def ids_of(world: World, poses) -> dict[str, int]:
    """Which id each visible person got."""
    found = {}
    for name in world.people:
        for keypoints, track_id in zip(poses.keypoints, poses.track_ids, strict=True):
            if np.abs(keypoints - world.shape(name)).max() < 1:
                found[name] = int(track_id)
    return found


def test_people_who_walk_keep_their_ids():
    world = World()
    tracker = world.tracker()
    seen = []
    for step in range(60):
        world.people = {"a": (100 + 5.0 * step, 150), "b": (540 - 5.0 * step, 330)}
        seen.append(ids_of(world, tracker.update(world.picture)))
    assert all(ids == seen[0] for ids in seen)
    assert sorted(seen[0].values()) == [1, 2]
    assert world.detections == 6


def test_people_who_pass_each_other_keep_their_ids():
    world = World()
    tracker = world.tracker()
    seen = []
    for step in range(80):
        world.people = {"a": (80 + 6.0 * step, 240), "b": (560 - 6.0 * step, 262)}
        seen.append(ids_of(world, tracker.update(world.picture)))
    assert len({ids["a"] for ids in seen if "a" in ids}) == 1
    assert len({ids["b"] for ids in seen if "b" in ids}) == 1
    assert seen[-1].keys() == {"a", "b"}


def test_an_id_is_never_given_twice():
    world = World()
    tracker = world.tracker(max_missing_s=0.2)
    given = []
    for visit in range(4):
        world.people = {"a": (150 + 100.0 * visit, 240)}
        given.append({int(i) for _ in range(12) for i in tracker.update(world.picture).track_ids})
        world.people = {}
        for _ in range(20):
            assert len(tracker.update(world.picture)) == 0
    assert given == [{1}, {2}, {3}, {4}]


def test_a_short_absence_keeps_the_id_and_reports_no_one_meanwhile():
    world = World()
    tracker = world.tracker()
    world.people = {"a": (300, 240)}
    for _ in range(5):
        assert tracker.update(world.picture).track_ids.tolist() == [1]
    world.people = {}
    for _ in range(12):
        assert len(tracker.update(world.picture)) == 0
    world.people = {"a": (310, 240)}
    later = [tracker.update(world.picture).track_ids.tolist() for _ in range(12)]
    assert later[-1] == [1]
    assert all(ids in ([], [1]) for ids in later)


def test_a_person_who_jumps_away_is_detected_at_once():
    world = World()
    tracker = world.tracker(detect_every=100)
    world.people = {"a": (120, 240)}
    for _ in range(5):
        tracker.update(world.picture)
    detections = world.detections
    world.people = {"a": (230, 240)}
    poses = tracker.update(world.picture)
    assert tracker.detected
    assert world.detections == detections + 1
    assert ids_of(world, poses).keys() == {"a"}


def test_a_person_lost_for_good_costs_one_extra_detection():
    world = World()
    tracker = world.tracker(detect_every=1000)
    world.people = {"a": (300, 240)}
    for _ in range(3):
        tracker.update(world.picture)
    world.people = {}
    for _ in range(100):
        tracker.update(world.picture)
    assert world.detections == 2


def test_missing_people_are_searched_on_detection_frames_alone():
    world = World()
    tracker = world.tracker(detect_every=10)
    world.people = {"a": (300, 240), "b": (100, 240)}
    for _ in range(10):
        tracker.update(world.picture)
    del world.people["b"]
    before, detections = world.crops, world.detections
    for _ in range(20):
        assert len(tracker.update(world.picture)) == 1
    # One crop a frame for who is there; for who is not, one when they go missing and one a
    # detection.
    assert world.crops - before - 20 <= 1 + world.detections - detections


def test_a_cut_to_another_scene_is_noticed():
    world = World()
    tracker = world.tracker(detect_every=1000)
    for step in range(6):
        world.picture = np.full((HEIGHT, WIDTH, 3), 200 if step >= 4 else 20, np.uint8)
        tracker.update(world.picture)
        assert tracker.detected == (step in (0, 4))


def test_a_detectors_false_positives_are_never_reported():
    world = World()
    world.false_positives = [(200, 200), (400, 300)]
    tracker = world.tracker(detect_every=2)
    assert all(len(tracker.update(world.picture)) == 0 for _ in range(30))


def test_a_newcomer_of_low_confidence_is_reported_when_seen_twice():
    world = World()
    world.keypoint_score = 0.38
    tracker = world.tracker()
    world.people = {"a": (300, 240)}
    assert [len(tracker.update(world.picture)) for _ in range(3)] == [0, 1, 1]


def test_one_person_boxed_twice_is_one_person():
    world = World()
    world.people = {"a": (300, 240)}
    world.false_positives = [(318, 250)]
    tracker = world.tracker(detect_every=3)
    counts = {len(tracker.update(world.picture)) for _ in range(30)}
    assert counts == {1}


def test_people_beyond_the_cap_are_left_out():
    world = World(size=60)
    world.people = {str(i): (40 + 50.0 * i, 240) for i in range(11)}
    tracker = world.tracker(max_people=4)
    assert max(len(tracker.update(world.picture)) for _ in range(25)) == 4


@pytest.mark.parametrize("count", [1, 2])
def test_people_elsewhere_after_a_cut_are_seen_whatever_the_cap(count):
    """Tracks that are missing take no one's place."""
    world = World(size=60)
    tracker = world.tracker(max_people=count)
    world.people = {"a": (60, 240), "b": (160, 240)}
    for _ in range(5):
        assert len(tracker.update(world.picture)) == count
    world.people = {"a": (400, 240), "b": (560, 240)}
    poses = tracker.update(world.picture)
    assert tracker.detected
    assert len(poses) == count
    assert set(poses.track_ids.tolist()).isdisjoint(range(1, count + 1))
    world.people = {"a": (60, 240), "b": (160, 240)}
    assert tracker.update(world.picture).track_ids.tolist() == list(range(1, count + 1))


def test_no_more_missing_people_are_kept_than_there_may_be():
    world = World(size=60)
    tracker = world.tracker(max_people=1, detect_every=1, max_missing_s=100)
    for place in range(40, 640, 60):
        world.people = {"a": (place, 240)}
        assert len(tracker.update(world.picture)) == 1
    world.people = {"a": (40, 100)}
    before = world.crops
    tracker.update(world.picture)
    assert world.crops - before <= 3


@pytest.mark.parametrize("steps", [[0.01, 0.5, 0.02, 0.3], [1 / 15] * 4])
def test_irregular_times_lose_no_one(steps):
    world = World()
    tracker = world.tracker()
    now, seen = 0.0, set()
    for step in steps * 10:
        now += step
        world.people = {"a": (100 + 30.0 * now, 240)}
        poses = tracker.update(world.picture, timestamp_s=now)
        assert len(poses) == 1
        seen |= set(poses.track_ids.tolist())
    assert seen == {1}


def test_a_clock_that_runs_backwards_is_refused():
    tracker = World().tracker()
    frame = np.zeros((40, 40, 3), np.uint8)
    tracker.update(frame, timestamp_s=1.0)
    with pytest.raises(ValueError, match="one tracker for each camera"):
        tracker.update(frame, timestamp_s=0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 0.0, 1e-310, "1", True])
def test_a_broken_clock_is_refused_and_forgotten(bad):
    world = World()
    world.people = {"a": (300, 240)}
    tracker = world.tracker()
    for time_s in (0.0, 0.1, 0.2):
        assert len(tracker.update(world.picture, timestamp_s=time_s)) == 1
        with pytest.raises(ValueError, match=r"^timestamps"):
            tracker.update(world.picture, timestamp_s=bad)


def test_two_microseconds_are_a_step():
    world = World()
    world.people = {"a": (300, 240)}
    tracker = world.tracker()
    for step in range(5):
        poses = tracker.update(world.picture, timestamp_s=np.float64(step * 2e-6))
        assert np.isfinite(poses.keypoints).all()
    assert len(poses) == 1


def test_two_trackers_share_nothing():
    first, second = World(), World()
    first.people, second.people = {"a": (100, 200)}, {"b": (500, 300)}
    one, other = first.tracker(), second.tracker()
    for _ in range(12):
        assert one.update(first.picture).track_ids.tolist() == [1]
        assert other.update(second.picture).track_ids.tolist() == [1]


def test_smoothing_steadies_and_can_be_switched_off():
    rng = np.random.default_rng(0)
    motion = {}
    for smooth in (False, True):
        world = World()
        tracker = world.tracker(smooth=smooth)
        at = []
        for _ in range(60):
            world.people = {"a": tuple(np.array([300, 240]) + rng.normal(0, 1.5, 2))}
            at.append(tracker.update(world.picture).keypoints[0])
        motion[smooth] = np.abs(np.diff(np.stack(at)[20:], axis=0)).mean()
    assert motion[True] < 0.5 * motion[False]


def test_another_frame_size_starts_afresh():
    world = World()
    world.people = {"a": (120, 120)}
    tracker = world.tracker(detect_every=1000)
    tracker.update(world.picture)
    poses = tracker.update(np.zeros((300, 300, 3), np.uint8))
    assert tracker.detected
    assert poses.track_ids.tolist() == [2]


def test_an_estimators_tracker_checks_its_options():
    with Estimator() as estimator:
        with pytest.raises(ValueError, match="detect_every"):
            estimator.tracker(detect_every=0)
        with pytest.raises(ValueError, match="max_missing_s"):
            estimator.tracker(max_missing_s=-1)
    with Estimator(detector=None) as estimator, pytest.raises(ValueError, match="detector"):
        estimator.tracker()


@pytest.mark.parametrize("score", [0.25, 0.32, 0.4, 0.9])
def test_reported_people_have_at_least_the_least_score(score):
    world = World()
    world.people = {"a": (300, 240)}
    tracker = world.tracker()
    for step in range(40):
        # Between the odds that keep a track and those that start one.
        world.keypoint_score = score + 0.04 * np.sin(step)
        poses = tracker.update(world.picture)
        assert (poses.person_scores >= OPTIONS.min_score).all()
    assert score == 0.32 or len(poses) == (score > 0.32)
