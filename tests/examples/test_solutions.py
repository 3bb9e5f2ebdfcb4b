"""What the examples count and report, on keypoint tracks of known movements and on the clips."""

from __future__ import annotations

import numpy as np
import pytest

from example_files import example
from litepose_edge import Estimator
from moving_people import (
    STANDING,
    body,
    poses_of,
    squat,
    track,
    turned_about_the_middle,
    walk,
)
from paths import SHARED

VIDEOS = SHARED / "data" / "videos"


def moments(watcher, frames):
    """When a watcher of one person reports something."""
    return [t for t, poses in frames for person in poses if watcher.update(person, t)]


@pytest.fixture(scope="module")
def squats():
    return example("squat_counter")


@pytest.fixture(scope="module")
def falls():
    return example("fall_alarm")


def fall(start_s, seconds=0.5, direction=1):
    """Upright until a moment, then tipped over by a right angle."""

    def pose_at(t):
        return body(turned=direction * 90 * np.clip((t - start_s) / seconds, 0, 1))

    return pose_at


@pytest.mark.parametrize("repetitions", [0, 1, 5])
def test_squats_are_counted_when_the_person_stands_again(squats, repetitions):
    counter = squats.RepetitionCounter()
    for _, poses in track(4 * repetitions + 1, squat):
        counter.update(poses[0])
    assert counter.count == repetitions


def test_half_a_squat_and_trembling_in_the_middle_are_no_squats(squats):
    counter = squats.RepetitionCounter()
    for _, poses in track(2, squat):
        counter.update(poses[0])
    assert counter.count == 0
    rng = np.random.default_rng(0)
    for depth in 0.45 + 0.1 * rng.random(100):
        counter.update(poses_of(body((depth * 35, depth * 65, 0)))[0])
    assert counter.count == 0


def test_legs_that_are_not_visible_count_nothing(squats):
    counter = squats.RepetitionCounter()
    for t, _ in track(9, squat):
        assert counter.update(poses_of(squat(t), score=0.1)[0]) == 0


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("start_s", [1.0, 2.3])
def test_a_fall_is_reported_once_within_a_second_and_a_half(falls, direction, start_s):
    times = moments(falls.FallDetector(), track(6, fall(start_s, direction=direction)))
    assert len(times) == 1
    assert 0.5 <= times[0] - start_s <= 1.5


@pytest.mark.parametrize("pose_at", [squat, walk, lambda t: body(STANDING)])
def test_squats_and_walks_do_not_alarm(falls, pose_at):
    assert moments(falls.FallDetector(), track(9, pose_at)) == []


def test_bending_down_and_lying_down_slowly_do_not_alarm(falls):
    def bend(t):
        return body((5, 10, 100 * np.clip((t - 1) / 0.5, 0, 1)))

    assert moments(falls.FallDetector(), track(4, bend)) == []
    assert moments(falls.FallDetector(), track(9, fall(1, seconds=6))) == []


def test_whoever_gets_up_can_fall_again(falls):
    def twice(t):
        return body(turned=90 * np.clip((t % 4 - 1) / 0.5, 0, 1) * (t % 4 < 3))

    assert len(moments(falls.FallDetector(), track(8, twice))) == 2


@pytest.fixture(scope="module")
def tracks_of():
    def found(clip, every):
        path = VIDEOS / clip
        if not path.exists():
            pytest.skip("needs the clips, which are not part of the project")
        with Estimator(detector_size=224) as estimator:
            tracker = estimator.tracker()
            for frame in list_frames(path, every):
                yield frame.timestamp_s, tracker.update(frame.image, timestamp_s=frame.timestamp_s)

    return found


def list_frames(path, every):
    from litepose_edge.sources import open_source

    return [f for f in open_source(path).frames if f.index % every == 0]


def test_the_squats_of_the_clip_are_counted_and_do_not_alarm(tracks_of, squats, falls):
    frames = [(t, poses[0]) for t, poses in tracks_of("pose_squats.mp4", 1) if len(poses)]
    counter, detector = squats.RepetitionCounter(), falls.FallDetector()
    assert not any(detector.update(person, t) for t, person in frames)
    assert [counter.update(person) for _, person in frames][-1] == 2  # the third is not finished


@pytest.mark.slow
def test_each_walker_of_the_clip_who_is_turned_within_half_a_second_falls(tracks_of, falls):
    frames = list(tracks_of("one-by-one-person-detection.mp4", 1))
    walkers = sorted({i for _, poses in frames for i in poses.track_ids.tolist()})
    assert len(walkers) == 6
    for walker in walkers:
        own = [(t, p[np.flatnonzero(p.track_ids == walker)]) for t, p in frames]
        own = [(t, p) for t, p in own if len(p)]
        assert moments(falls.FallDetector(), own) == []
        for direction in (1, -1):
            for part in (0.2, 0.35, 0.5, 0.65, 0.8):
                start = own[0][0] + part * (own[-1][0] - own[0][0])
                turned = [
                    (t, turned_about_the_middle(p, direction * 90 * np.clip((t - start) * 2, 0, 1)))
                    for t, p in own
                ]
                times = moments(falls.FallDetector(), turned)
                assert len(times) == 1, (walker, direction, part)
                assert 0.5 <= times[0] - start <= 1.5


def test_a_zone_counts_who_enters_and_for_how_long():
    zone = example("zone_counter").Zone([(200, 300), (400, 300), (400, 450), (200, 450)])
    entered = []
    for t, poses in track(6, walk):
        before = set(zone.inside)
        zone.update(poses, t)
        entered += [(t, i) for i in set(zone.inside) - before]
    assert [i for _, i in entered] == [1]
    assert entered[0][0] == pytest.approx((200 - 60) / 80, abs=0.2)
    assert zone.inside == {}
    assert zone.seconds[1] == pytest.approx(200 / 80, abs=0.3)


def test_a_zone_knows_two_people_apart():
    zone = example("zone_counter").Zone([(0, 0), (300, 0), (300, 480), (0, 480)])
    zone.update(poses_of(body(feet=(100, 400)), body(feet=(500, 400))), 0.0)
    assert set(zone.inside) == {1}
    zone.update(poses_of(body(feet=(500, 400)), body(feet=(100, 400))), 0.5)
    assert set(zone.inside) == {2}
    zone.update(poses_of(body(feet=(500, 400)), body(feet=(100, 400))), 1.5)
    assert zone.seconds == {1: 0.0, 2: pytest.approx(1.0)}


def test_posture_is_the_angle_at_the_shoulder_of_the_side_that_is_seen():
    posture = example("posture").posture
    straight, bent = poses_of(body(), body((0, 0, 60)))
    assert posture(straight) > 165
    assert posture(bent) < 160
    assert np.isnan(posture(poses_of(body(), score=0.1)[0]))


def test_a_raised_hand_is_reported_once_when_it_is_held():
    module = example("hand_raised")

    def raise_hand(t):
        return body(hand=-20 if 1 <= t < 3 or t >= 4 else -170)

    times = moments(module.HandRaised(), track(6, raise_hand))
    assert times == pytest.approx([1.3, 4.3], abs=0.1)
    assert module.raised_hands(poses_of(raise_hand(2))[0]) == ["left"]

    def wave_by(t):
        return body(hand=-20 if 1 <= t < 1.2 else -170)

    assert moments(module.HandRaised(), track(3, wave_by)) == []
