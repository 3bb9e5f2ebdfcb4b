"""The front door, with the bundled models."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from litepose_edge import Estimator, Poses, Size, backends
from litepose_edge.decoding.score_calibration import log_odds
from litepose_edge.errors import (
    InvalidBoxError,
    InvalidImageError,
    ModelError,
    ModelFileMissingError,
)
from litepose_edge.manifest import TopDownSpec
from litepose_edge.networks import Networks
from litepose_edge.person_filter import CONFIDENT_KEYPOINT
from litepose_edge.sources import read_image


@pytest.fixture(scope="module")
def estimator():
    with Estimator(threads=2) as estimator:
        yield estimator


@pytest.fixture(scope="module")
def astronaut(photographs):
    return read_image(photographs / "astronaut.png")


def same(first: Poses, second: Poses) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("keypoints", "scores", "boxes_xyxy", "person_scores")
    )


def test_the_arrays_have_the_promised_shapes_and_types(estimator, astronaut):
    poses = estimator.predict(astronaut)
    people = len(poses)
    assert people == 1
    assert poses.keypoints.shape == (people, 17, 2)
    assert poses.scores.shape == (people, 17)
    assert poses.boxes_xyxy.shape == (people, 4)
    assert poses.person_scores.shape == (people,)
    arrays = (poses.keypoints, poses.scores, poses.boxes_xyxy, poses.person_scores)
    assert all(array.dtype == np.float32 for array in arrays)
    assert all(np.isfinite(array).all() for array in arrays)
    assert poses.image_size == Size(512, 512)
    assert poses.track_ids is None


def test_the_face_of_the_astronaut_is_where_it_is(estimator, astronaut):
    poses = estimator.predict(astronaut)
    nose = poses.keypoints[0, 0]
    assert np.linalg.norm(nose - [222, 117]) < 25
    left_eye, right_eye = poses.keypoints[0, 1], poses.keypoints[0, 2]
    assert left_eye[0] > right_eye[0]  # her left is our right


def test_given_boxes_come_back_one_person_each_in_order(estimator, astronaut):
    boxes = np.array([[100, 0, 400, 500], [0, 0, 30, 30], [-40, -40, 600, 600]], np.float32)
    poses = estimator.predict(astronaut, boxes_xyxy=boxes)
    np.testing.assert_array_equal(poses.boxes_xyxy, boxes)
    assert len(poses) == 3


def test_the_person_score_in_a_given_box_is_the_pose_score(estimator, astronaut):
    poses = estimator.predict(astronaut, boxes_xyxy=[[100, 0, 400, 500]])
    calibration = backends.find_model("lrpose-s").manifest.model.score_calibration
    odds = (log_odds(poses.scores[0]) - calibration.offset) / calibration.scale
    decoded = 1 / (1 + np.exp(-odds))
    assert poses.person_scores[0] == pytest.approx((decoded**2).sum() / decoded.sum(), rel=1e-4)


def test_no_boxes_given_are_no_people(estimator, astronaut):
    assert len(estimator.predict(astronaut, boxes_xyxy=[])) == 0


@pytest.mark.parametrize("shade", [0, 255, 127])
def test_an_empty_scene_holds_no_people(estimator, shade):
    poses = estimator.predict(np.full((480, 640, 3), shade, np.uint8))
    assert len(poses) == 0
    assert poses.keypoints.shape == (0, 17, 2)


def test_results_do_not_depend_on_threads(astronaut):
    boxes = [[100, 0, 400, 500], [50, 0, 300, 300], [10, 10, 500, 500]]
    results = []
    for threads in (1, 2, 4):
        with Estimator(threads=threads) as estimator:
            results.append(
                (
                    estimator.predict(astronaut),
                    estimator.predict(astronaut, boxes_xyxy=boxes),
                    estimator.predict(astronaut, boxes_xyxy=boxes[:1]),
                )
            )
    for other in results[1:]:
        assert all(same(a, b) for a, b in zip(results[0], other, strict=True))


def test_eight_threads_get_what_one_thread_gets(estimator, astronaut):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (90, 120, 3), np.uint8) for _ in range(25)]
    boxes = [rng.uniform(0, 40, (1 + i % 3, 2)) for i in range(25)]
    boxes = [np.concatenate([b, b + 45], axis=1) for b in boxes]
    serial = [estimator.predict(f, boxes_xyxy=b) for f, b in zip(frames, boxes, strict=True)]

    found = estimator.predict(astronaut)

    def run(worker: int) -> bool:
        order = np.random.default_rng(worker).permutation(75) % 25
        return all(
            same(estimator.predict(frames[i], boxes_xyxy=boxes[i]), serial[i])
            and (i % 5 or same(estimator.predict(astronaut), found))
            for i in order
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(8)))


def test_returned_arrays_are_not_overwritten_by_the_next_call(estimator, astronaut):
    boxes = np.array([[100, 0, 400, 500]], np.float32)
    first = estimator.predict(astronaut, boxes_xyxy=boxes)
    kept = first.keypoints.copy()
    estimator.predict(astronaut[::-1], boxes_xyxy=boxes)
    boxes[:] = 7
    np.testing.assert_array_equal(first.keypoints, kept)
    assert first.boxes_xyxy[0, 0] == 100


def test_the_frame_is_left_as_it_was(estimator, astronaut):
    before = astronaut.copy()
    estimator.predict(astronaut)
    np.testing.assert_array_equal(astronaut, before)


def test_predict_batch_is_a_list_in_and_a_list_out(estimator, astronaut):
    black = np.zeros((100, 100, 3), np.uint8)
    results = estimator.predict_batch([astronaut, black])
    assert [len(poses) for poses in results] == [1, 0]
    assert len(estimator.predict_batch([astronaut])) == 1
    assert estimator.predict_batch([]) == []
    given = estimator.predict_batch([black, black], boxes_xyxy=[[[0, 0, 9, 9]], []])
    assert [len(poses) for poses in given] == [1, 0]


def test_found_boxes_hold_the_confident_keypoints(astronaut, monkeypatch):
    cut = np.array([[100, 0, 400, 500]], np.float32)  # her right arm lies outside
    monkeypatch.setattr(Networks, "boxes", lambda *_: (cut, np.array([0.9], np.float32)))
    with Estimator() as estimator:
        (person,) = estimator.predict(astronaut)
    confident = person.keypoints[person.scores >= CONFIDENT_KEYPOINT]
    assert confident[:, 0].min() < 100
    inside = confident.clip(-0.5, np.array(astronaut.shape[1::-1]) - 0.5)
    assert (inside >= person.box_xyxy[:2]).all()
    assert (inside <= person.box_xyxy[2:]).all()


def test_the_pose_network_is_told_whether_boxes_were_detected(estimator, astronaut, monkeypatch):
    told, keypoints = [], Networks.keypoints

    def spy(networks, image, boxes, *, detected, least_scores=None):
        told.append((detected, least_scores is not None))
        return keypoints(networks, image, boxes, detected=detected, least_scores=least_scores)

    monkeypatch.setattr(Networks, "keypoints", spy)
    estimator.predict(astronaut)
    estimator.predict(astronaut, boxes_xyxy=[[100, 0, 400, 500]])
    assert told == [(True, True), (False, False)]


def test_a_function_can_be_the_detector(astronaut):
    with Estimator(detector=lambda frame: [[100, 0, 400, 500]]) as estimator:
        poses = estimator.predict(astronaut)
        assert poses.boxes_xyxy.tolist() == [[100, 0, 400, 500]]


def test_a_box_around_nothing_is_no_person_unless_it_was_given():
    black = np.zeros((300, 300, 3), np.uint8)
    box = [[50, 20, 200, 280]]
    with Estimator(detector=lambda frame: box) as estimator:
        assert len(estimator.predict(black)) == 0
        assert len(estimator.predict(black, boxes_xyxy=box)) == 1


def test_without_a_detector_boxes_are_needed(astronaut):
    with Estimator(detector=None) as estimator:
        assert len(estimator.predict(astronaut, boxes_xyxy=[[0, 0, 400, 500]])) == 1
        with pytest.raises(ValueError, match="boxes_xyxy"):
            estimator.predict(astronaut)


@pytest.mark.parametrize(("min_pose_score", "people"), [(0.3, 1), (0.999, 0)])
def test_a_manifest_says_what_pose_score_people_need(
    min_pose_score, people, astronaut, monkeypatch
):
    real = backends.find_model

    def find_model(*args, **kwargs):
        found = real(*args, **kwargs)
        if not isinstance(found.manifest.model, TopDownSpec):
            return found
        model = msgspec.structs.replace(found.manifest.model, min_pose_score=min_pose_score)
        return replace(found, manifest=msgspec.structs.replace(found.manifest, model=model))

    monkeypatch.setattr(backends, "find_model", find_model)
    with Estimator() as estimator:
        assert len(estimator.predict(astronaut)) == people


@pytest.mark.parametrize("min_score", [0.0, 0.02, 0.3, 0.5, 0.7])
def test_every_person_found_has_at_least_the_least_score(min_score, astronaut, photographs):
    crowd = np.hstack([astronaut, astronaut[:, ::-1], astronaut])[::2, ::2]
    with Estimator(min_score=min_score) as estimator:
        for image in (astronaut, np.ascontiguousarray(crowd)):
            scores = estimator.predict(image).person_scores
            assert (scores >= min_score).all()
            assert (np.diff(scores) <= 0).all()


def test_at_most_max_people_come_back_the_best_first(astronaut):
    crowd = np.hstack([astronaut] * 3)
    with Estimator(max_people=2) as estimator:
        assert len(estimator.predict(crowd)) == 2


def test_fp32_and_int8_see_the_same_person(astronaut):
    with Estimator(precision="fp32") as exact, Estimator() as fast:
        box = [[60, 0, 440, 511]]
        a, b = (e.predict(astronaut, boxes_xyxy=box) for e in (exact, fast))
    seen = a.scores[0] > 0.5
    assert seen.sum() >= 5
    assert np.linalg.norm(a.keypoints - b.keypoints, axis=2)[0, seen].max() < 10


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "lrpose-xxl"}, ModelFileMissingError),
        ({"model": "nowhere/model.onnx"}, FileNotFoundError),
        ({"model": "persondet"}, ModelError),
        ({"detector": "nowhere.onnx"}, ModelFileMissingError),
        ({"precision": "int4"}, ValueError),
        ({"backend": "tensorrt"}, ValueError),
        ({"threads": 0}, ValueError),
        ({"min_score": 2}, ValueError),
        ({"max_people": 0}, ValueError),
    ],
)
def test_a_wrong_option_is_refused(options, error, frame):
    with pytest.raises(error), Estimator(**options) as estimator:
        estimator.predict(frame)


def test_a_file_of_the_other_precision_is_refused():
    from litepose_edge.backends import bundled

    path = bundled.find("lrpose-s", "fp32")
    with Estimator(path) as estimator:
        assert estimator is not None
    with pytest.raises(ModelError, match="precision='int8'"):
        Estimator(path, precision="int8")


def test_bad_input_is_refused(estimator, frame):
    with pytest.raises(InvalidImageError):
        estimator.predict(None)
    with pytest.raises(InvalidImageError):
        estimator.predict(frame[..., 0])
    with pytest.raises(InvalidBoxError):
        estimator.predict(frame, boxes_xyxy=[[0, 0, np.nan, 1]])
    with pytest.raises(InvalidImageError, match="max_pixels"):
        Estimator(max_pixels=100).predict(frame)


def test_tiny_and_long_frames_survive(estimator):
    for shape in ((1, 1, 3), (2, 5000, 3), (5000, 2, 3)):
        assert len(estimator.predict(np.zeros(shape, np.uint8))) == 0


def test_closing_twice_is_fine_and_use_afterwards_is_not(frame):
    estimator = Estimator()
    estimator.close()
    estimator.close()
    with pytest.raises(RuntimeError, match="closed"):
        estimator.predict(frame)


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_neither_an_estimator_nor_a_tracker_is_pickled_or_copied(estimator, take):
    with pytest.raises(TypeError, match="one in each process"):
        take(estimator)
    with pytest.raises(TypeError, match="one for each camera"):
        take(estimator.tracker())


def _use_after_fork(estimator, frame, answers):
    try:
        estimator.predict(frame)
    except RuntimeError as exc:
        answers.put(str(exc))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_use_after_a_fork_is_a_clear_error(estimator, frame):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_use_after_fork, args=(estimator, frame, answers))
    child.start()
    assert "fork" in answers.get(timeout=20)
    child.join()


def test_a_path_a_pil_image_and_either_colour_order_give_the_same_people(
    estimator, astronaut, photographs
):
    images = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    path = photographs / "astronaut.png"
    here = estimator.predict(astronaut)
    assert same(estimator.predict(path), here)
    assert same(estimator.predict(str(path)), here)
    assert same(estimator.predict(path.read_bytes()), here)
    assert same(estimator.predict(images.open(path)), here)
    assert same(estimator.predict(astronaut[..., ::-1], colour="rgb"), here)
    assert not same(estimator.predict(astronaut[..., ::-1]), here)
    batch = estimator.predict_batch([path, images.open(path), path.read_bytes()])
    assert all(same(poses, here) for poses in batch)
    turned = estimator.predict_batch([astronaut[..., ::-1]], colour="rgb")
    assert same(turned[0], here)
    tracked = estimator.tracker().update(path)
    rgb = estimator.tracker().update(astronaut[..., ::-1], colour="rgb")
    assert same(tracked, rgb)
    assert tracked.track_ids.tolist() == [1]


def test_poses_carry_the_models_threshold_of_visible_keypoints(estimator, astronaut):
    poses = estimator.predict(astronaut)
    assert 0 < poses.min_keypoint_score < 1
    assert estimator.tracker().update(astronaut).min_keypoint_score == poses.min_keypoint_score
    assert poses.visible.any()
    assert not poses.visible.all()  # her hips are outside the picture
