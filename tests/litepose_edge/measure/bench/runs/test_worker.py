"""Benchmarks: what a worker process really measures."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from litepose_edge import Estimator
from litepose_edge.backends import bundled
from litepose_edge.backends.signed_activations import with_signed_activations
from litepose_edge.errors import SourceError
from litepose_edge.measure.bench.runs import pipeline as pipelines
from litepose_edge.measure.bench.runs.clip import MIN_SCORE, ClipFrame, load_frames
from litepose_edge.measure.bench.runs.configuration import Configuration, MeasurementPlan
from litepose_edge.measure.bench.runs.digest import checksum
from litepose_edge.measure.bench.runs.pipeline import open_detector, open_pipeline
from litepose_edge.measure.bench.runs.runner import run_all, run_one
from litepose_edge.measure.bench.runs.scene import FRAMES, draw_scene
from litepose_edge.measure.bench.runs.stages import STAGES
from litepose_edge.measure.bench.runs.worker import choose_meter

QUICK = MeasurementPlan(repeats=2, seconds=0.3, warmup_s=0.0)


def configuration(**changes):
    return Configuration(
        **{
            "model": "lrpose-s",
            "engine": "onnxruntime",
            "precision": "int8",
            "threads": 1,
            "people": 1,
            "mode": "throughput",
            "fps": 15.0,
            "source": "synthetic",
            **changes,
        }
    )


@pytest.fixture(scope="module")
def outcome():
    return run_one(configuration(people=2), QUICK)


def test_a_worker_measures_frames_cold_start_stages_and_memory(outcome):
    assert outcome.error is None
    assert len(outcome.timing.frame_ms) >= 10
    assert outcome.timing.cpu_ms_per_frame > 0
    assert outcome.cold.start_ms > 10
    assert outcome.cold.load_ms > 0
    assert outcome.cold.first_ms > 0
    assert tuple(outcome.stages) == STAGES
    assert all(stage.p50 > 0 for stage in outcome.stages.values())
    assert 20 < outcome.rss_mb <= outcome.peak_rss_mb < 2000
    assert outcome.energy is None


def test_the_stages_of_the_pose_are_its_frame(outcome):
    pose = sum(outcome.stages[name].p50 for name in ("crop", "infer", "decode"))
    # Measured one after the other, on a machine that may be busy in between.
    assert 0.3 < pose / np.median(outcome.timing.frame_ms) < 3


def test_the_worker_s_keypoints_are_the_estimator_s(outcome):
    with Estimator("lrpose-s", precision="int8", threads=1) as estimator:
        results = []
        for seed in range(FRAMES):
            image, boxes = draw_scene(2, seed)
            results.append(estimator.predict(image, boxes_xyxy=boxes).as_tuple())
    assert outcome.checksum == checksum(results)
    first = np.array(outcome.keypoints[0])
    assert first[..., :2] == pytest.approx(results[0][0], abs=1e-3)


def test_spinning_gives_the_same_keypoints_and_burns_the_gaps():
    plan = MeasurementPlan(seconds=1.0, warmup_s=0.0)
    quiet, spinning = (
        run_one(configuration(engine=engine, threads=2, mode="paced"), plan)
        for engine in ("onnxruntime", "onnxruntime-spinning")
    )
    assert spinning.checksum == quiet.checksum
    # Some ten times on a quiet machine; a busy one takes the core away from who waits busily.
    assert spinning.timing.cpu_ms_per_frame > 2 * quiet.timing.cpu_ms_per_frame
    assert quiet.timing.missed is not None


def test_a_model_that_cannot_be_used_is_an_error_and_no_crash(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing")
    outcome = run_one(configuration(model=str(broken), precision=None), QUICK)
    assert outcome.timing is None
    assert outcome.error.startswith("ModelError: ")


def test_a_source_that_cannot_be_read_is_an_error_and_no_crash():
    outcome = run_one(configuration(source="nowhere.mp4"), QUICK)
    assert outcome.error == "SourceError: no such file or folder: nowhere.mp4"


def test_modelled_energy_comes_from_the_worker_s_cpu_time():
    # Long idle windows: what the process still does as it comes to rest lies in the first.
    plan = MeasurementPlan(
        seconds=0.3,
        warmup_s=0.0,
        energy_repeats=2,
        energy_s=0.7,
        idle_s=1.5,
        watts_per_core=5.0,
        battery_wh=10.0,
    )
    outcome = run_one(configuration(mode="paced"), plan, "energy")
    figures = outcome.energy
    assert figures.meter.kind == "modelled"
    assert figures.reason is None
    # Ten frames of milliseconds at 5 W, twice.
    assert figures.frames == 20
    assert 0.0005 < figures.net_j_per_frame.mean < 0.5
    assert figures.people == 20
    assert figures.net_j_per_person == figures.net_j_per_frame
    # Of two windows that differ much it is not said for how long a battery lasts.
    assert (figures.battery_h is None) == (figures.gross_j_per_frame.low <= 0)
    assert figures.battery_h is None or figures.battery_h.mean > 10 / 5
    assert outcome.timing is None


def test_a_plan_without_a_meter_gets_a_reason_or_a_meter():
    meter = choose_meter(MeasurementPlan(meter="no-such-meter"))
    assert isinstance(meter, str)
    assert meter


def test_an_external_log_is_the_meter_that_was_asked_for(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text("time,power\n0,1\n1,1\n")
    meter = choose_meter(MeasurementPlan(meter_log=str(path), meter_log_began_s=1.7e9))
    assert meter.about.name == "log:power.csv"


def test_every_configuration_is_run_as_often_and_the_first_twice():
    labels = []
    two = [configuration(), configuration(people=None)]
    runs = run_all(two, QUICK, labels.append)
    assert [len(one.outcomes) for one in (*runs.measured, runs.baseline_again)] == [2, 2, 2]
    assert sorted(labels) == sorted([two[0].label] * 4 + [two[1].label] * 2)
    sums = {o.checksum for half in (runs.measured[0], runs.baseline_again) for o in half.outcomes}
    assert len(sums) == 1


def picture(folder, image):
    path = folder / "picture.png"
    cv2.imwrite(str(path), image)
    return str(path)


def detector_of(boxes):
    def find(image, min_score):
        return np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32)

    return find


def test_given_people_of_a_picture_are_its_boxes_again_and_again(tmp_path, frame):
    source = picture(tmp_path, frame)
    boxes = [[1, 2, 30, 40], [50, 20, 90, 100]]
    (frame,) = load_frames(configuration(source=source, people=5), detector_of(boxes))
    assert frame.boxes_xyxy.tolist() == [boxes[i % 2] for i in range(5)]
    (frame,) = load_frames(configuration(source=source, people=None), detector_of(boxes))
    assert frame.boxes_xyxy is None


def test_a_picture_without_people_cannot_give_any(tmp_path, frame):
    source = picture(tmp_path, frame)
    with pytest.raises(SourceError, match="--people found"):
        load_frames(configuration(source=source, people=1), detector_of([]))


def test_the_detector_is_part_of_the_frame_where_it_finds_the_people(photographs):
    source = str(photographs / "astronaut.png")
    found = configuration(source=source, people=None)
    (frame,) = load_frames(found, open_detector(found))
    pipeline = open_pipeline(found)
    keypoints, scores = pipeline.predict(ClipFrame(frame.image, None))
    pipeline.close()
    assert keypoints.shape == (1, 17, 2)
    assert scores.shape == (1, 17)


def test_a_detector_of_one_size_finds_what_the_estimator_does(photographs):
    source = str(photographs / "astronaut.png")
    small = configuration(source=source, people=None, detector_size=96)
    (frame,) = load_frames(small, open_detector(small))
    with Estimator("lrpose-s", threads=1, min_score=MIN_SCORE, detector_size=96) as estimator:
        expected = estimator.predict(frame.image)
    pipeline = open_pipeline(small)
    keypoints, _ = pipeline.predict(ClipFrame(frame.image, None))
    pipeline.close()
    assert len(expected) == 1
    np.testing.assert_array_equal(keypoints, expected.keypoints)
    boxes, _ = open_detector(small)(frame.image, MIN_SCORE)
    usual, _ = open_detector(configuration(source=source, people=None))(frame.image, MIN_SCORE)
    assert not np.array_equal(boxes, usual)


def test_spinning_gives_the_keypoints_of_all_people():
    image, boxes = draw_scene(3)
    results = []
    for engine in ("onnxruntime", "onnxruntime-spinning"):
        pipeline = open_pipeline(configuration(people=3, threads=2, engine=engine))
        results.append(pipeline.predict(ClipFrame(image, boxes)))
        pipeline.close()
    (keypoints, scores), (others, their_scores) = results
    assert keypoints.shape == (3, 17, 2)
    # Decoded one by one instead of together: the last bits may differ.
    assert others == pytest.approx(keypoints, abs=1e-2)
    assert their_scores == pytest.approx(scores, abs=1e-5)


def test_the_spinning_engine_runs_the_form_for_this_processor(monkeypatch):
    given = []

    class Recorded(pipelines.SpinningSession):
        def __init__(self, model, threads):
            given.append(model)
            super().__init__(model, threads)

    monkeypatch.setattr(pipelines, "SpinningSession", Recorded)
    monkeypatch.setattr(bundled, "is_arm", lambda: True)
    pipeline = open_pipeline(configuration(model="lrpose-n", engine="onnxruntime-spinning"))
    pipeline.predict(ClipFrame(*draw_scene(1)))
    pipeline.close()
    unsigned = bundled.find("lrpose-n", "int8").read_bytes()
    assert given == [with_signed_activations(unsigned)] != [unsigned]


def test_the_wheels_detector_serves_float_networks(monkeypatch, tmp_path):
    shutil.copytree(bundled.FOLDER, tmp_path / "models")
    (tmp_path / "models" / "persondet.fp32.onnx").unlink()
    monkeypatch.setattr(bundled, "FOLDER", tmp_path / "models")
    image, boxes = draw_scene(1)
    found, _ = open_detector(configuration(precision="fp32"))(image, MIN_SCORE)
    assert found.shape[1] == boxes.shape[1] == 4


def test_spinning_is_measured_with_given_people_only():
    with pytest.raises(ValueError, match="--people 1"):
        open_pipeline(configuration(people=None, engine="onnxruntime-spinning"))


def test_a_video_is_measured_from_memory(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (640, 480))
    for seed in range(5):
        writer.write(draw_scene(1, seed)[0])
    writer.release()
    outcome = run_one(configuration(source=str(path), people=None), QUICK)
    assert outcome.error is None
    assert len(outcome.keypoints) == 5
