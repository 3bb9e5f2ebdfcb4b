"""Options at the door: what is taken, what is refused, and that NaN always is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from litepose_edge import COCO_17, Estimator, Poses, Size, threads
from litepose_edge.errors import InvalidImageError
from litepose_edge.options import pixel_limit, real_number, whole_number
from litepose_edge.pipelines.bottomup_options import BottomUpOptions

NAN = float("nan")


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(7), 10**20])
def test_integers_of_python_and_numpy_are_whole_numbers(value):
    assert whole_number("n", value, 1) == int(value)


@pytest.mark.parametrize("value", [0, -1, True, np.bool_(True), 2.0, NAN, "3", None, 1j, [1]])
def test_what_is_no_whole_number_in_bounds_is_refused(value):
    with pytest.raises(ValueError, match=r"^n must be"):
        whole_number("n", value, 1, 100)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.5), np.int64(1)])
def test_numbers_in_bounds_are_taken(value):
    assert real_number("n", value, 0, 1) == float(value)


@pytest.mark.parametrize(
    "value",
    [NAN, math.inf, -0.1, 1.1, 10**400, -(10**400), True, "0.5", None, 1j, [0.5]],
)
def test_what_is_no_number_in_bounds_is_refused(value):
    with pytest.raises(ValueError, match=r"^n must"):
        real_number("n", value, 0, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0},
        {"threads": threads.most_threads() + 1},
        {"threads": 100_000},
        {"threads": True},
        {"threads": 2.0},
        {"threads": NAN},
        {"detector_size": 31},
        {"detector_size": 4097},
        {"detector_size": 224.0},
        {"max_people": 0},
        {"max_people": 2.5},
        {"max_people": NAN},
        {"min_score": NAN},
        {"min_score": "0.3"},
        {"min_score": -0.1},
        {"max_pixels": 0},
        {"max_pixels": 1e6},
        {"max_pixels": math.inf},
        {"max_pixels": True},
        {"flip_test": NAN},
        {"flip_test": "no"},
        {"precision": NAN},
        {"precision": "fp16"},
        {"backend": "cuda"},
        {"model": None},
        {"model": b"lrpose-s"},
        {"detector": 3},
    ],
)
def test_an_estimator_refuses_what_is_out_of_range(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must"):
        Estimator(**options)


def test_an_estimator_takes_what_is_in_range():
    options = {
        "threads": np.int64(1),
        "detector_size": np.int32(64),
        "max_people": np.uint8(3),
        "min_score": np.float32(0.25),
        "max_pixels": np.int64(10_000),
        "flip_test": np.bool_(False),
    }
    with Estimator(**options) as estimator:
        assert len(estimator.predict(np.zeros((100, 100, 3), np.uint8))) == 0


@pytest.mark.parametrize("options", [{"detect_every": 1.5}, {"detect_every": NAN}])
def test_a_tracker_refuses_what_is_no_number_of_frames(options):
    with Estimator() as estimator, pytest.raises(ValueError, match="detect_every must"):
        estimator.tracker(**options)


@pytest.mark.parametrize("seconds", [NAN, -1, "1"])
def test_a_tracker_refuses_what_is_no_time(seconds):
    with Estimator() as estimator, pytest.raises(ValueError, match="max_missing_s must"):
        estimator.tracker(max_missing_s=seconds)


@pytest.mark.parametrize("scales", [(1.0, NAN), (1e-9,), (1e9,), ("1",), None, 1.0, ()])
def test_scales_that_no_network_takes_are_refused(scales):
    with pytest.raises(ValueError, match="scales must"):
        BottomUpOptions(scales=scales)


def test_the_published_scales_are_taken():
    assert BottomUpOptions(scales=(0.5, 1, 2.0)).scales == (0.5, 1, 2.0)


def test_drawing_refuses_a_threshold_that_is_none():
    frame = np.zeros((20, 20, 3), np.uint8)
    poses = Poses.empty(COCO_17, Size(20, 20))
    assert poses.draw(frame, min_score=np.float32(0.5)).shape == frame.shape
    with pytest.raises(ValueError, match="min_score must"):
        poses.draw(frame, min_score=NAN)


def test_threads_are_bounded_by_the_machine():
    assert 4 <= threads.most_threads() <= threads.MAX_THREADS
    assert threads.available_threads() <= threads.MAX_THREADS


@pytest.mark.parametrize(("frames", "boxes"), [(None, None), (3, None), ([], 3)])
def test_a_batch_is_a_list(frames, boxes):
    with Estimator() as estimator, pytest.raises(ValueError, match="expected a list"):
        estimator.predict_batch(frames, boxes_xyxy=boxes)


def test_a_batch_may_be_any_iterable():
    frames = (np.zeros((50, 50, 3), np.uint8) for _ in range(3))
    with Estimator(threads=2) as estimator:
        assert len(estimator.predict_batch(frames)) == 3


@pytest.mark.parametrize("limit", [9_999, NAN])
def test_the_limit_of_pixels_holds_wherever_a_frame_is_taken(limit):
    frame = np.zeros((100, 100, 3), np.uint8)
    assert pixel_limit(limit) is limit
    with Estimator(threads=2, max_pixels=limit) as estimator:
        ways = {
            "predict": lambda: estimator.predict(frame),
            "boxes": lambda: estimator.predict(frame, boxes_xyxy=[[1, 1, 9, 9]]),
            "batch": lambda: estimator.predict_batch([frame, frame]),
            "tracker": lambda: estimator.tracker().update(frame),
            "stream": lambda: list(estimator.stream([frame])),
            "tracked stream": lambda: list(estimator.stream([frame], detect_every=1)),
        }
        for name, way in ways.items():
            # The sources say ValueError of a NaN limit, before they open anything.
            with pytest.raises((InvalidImageError, ValueError), match="max_pixels"):
                print(name, way())  # noqa: T201 - says which one took it


def test_frames_up_to_the_limit_are_taken():
    frame = np.zeros((100, 100, 3), np.uint8)
    with Estimator(threads=1, max_pixels=10_000) as estimator:
        assert len(estimator.predict(frame)) == 0
        assert len(estimator.tracker().update(frame)) == 0
        assert len(list(estimator.stream([frame], detect_every=1))) == 1


def test_a_frame_is_not_copied_before_it_is_refused():
    # 12 TB if it were: the pixels are all the same three bytes.
    frame = np.broadcast_to(np.zeros(3, np.uint8), (2_000_000, 2_000_000, 3))
    with Estimator() as estimator, pytest.raises(InvalidImageError, match="max_pixels"):
        estimator.predict(frame)
