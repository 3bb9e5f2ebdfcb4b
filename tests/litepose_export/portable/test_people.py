"""Detector and pose network in one graph: who is reported, against the runtime's rules."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge import COCO_17, Estimator, person_filter  # noqa: E402
from litepose_edge.backends.onnxruntime_session import PORTABLE_KEY  # noqa: E402
from litepose_edge.boxes import suppress  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.portable import job, people  # noqa: E402
from paths import ROOT  # noqa: E402

FRAME = Size(300, 200)


def bodies(count, seed=0):
    """Poses, some of them nearly alike, some with hardly a keypoint seen, and their boxes."""
    rng = np.random.default_rng(seed)
    middles = rng.uniform([0, 0], [300, 200], (count, 1, 2))
    middles[1::3] = middles[: len(middles[1::3]) * 3 : 3] + 1
    shape = rng.uniform([-20, -50], [20, 50], (1, 17, 2))
    points = middles + shape + rng.normal(0, 3, (count, 17, 2))
    scores = rng.uniform(0, 1, (count, 17, 1))
    scores[::5] *= 0.25
    boxes = np.concatenate([points.min(axis=1) + 6, points.max(axis=1) - 6], axis=1)
    keypoints = np.concatenate([points, scores], axis=2).astype(np.float32)
    return keypoints, boxes.astype(np.float32)


def test_confidence_is_the_runtimes(evaluate):
    rng = np.random.default_rng(1)
    boxes = rng.uniform(0, 1, 50).astype(np.float32)
    scores = rng.uniform(0, 1, (50, 17)).astype(np.float32)
    boxes[:3], scores[2:4] = (0, 1, 0.6), 0
    poses = np.array(person_filter.pose_scores(scores), np.float32)
    (found,) = evaluate(
        lambda graph: [people.confidence(graph, "boxes", "poses", 0.476)],
        {"boxes": boxes, "poses": poses},
    )
    expected = person_filter.person_confidence(boxes, scores, 0.476)
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 12])
def test_boxes_are_widened_as_the_runtime_does(evaluate, count):
    keypoints, boxes = bodies(count)
    (found,) = evaluate(
        lambda graph: [people.widened(graph, "boxes", "keypoints", "size")],
        {"boxes": boxes, "keypoints": keypoints, "size": np.array([300, 200], np.float64)},
    )
    expected = person_filter.widened_boxes(boxes, keypoints[..., :2], keypoints[..., 2], FRAME)
    assert np.allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("count", [1, 12])
def test_one_person_found_twice_is_seen_as_the_runtime_does(evaluate, count):
    keypoints, boxes = bodies(count)
    sigmas = COCO_17.oks_sigmas
    alike, kept = evaluate(
        lambda graph: [
            same := people.duplicates(graph, "keypoints", "boxes", sigmas),
            people.first_of_alike(graph, same, "scores"),
        ],
        {"keypoints": keypoints, "boxes": boxes, "scores": np.arange(count, 0, -1.0)},
    )
    expected = person_filter.duplicates(
        keypoints[..., :2], keypoints[..., 2], boxes, np.array(sigmas)
    )
    assert np.array_equal(alike, expected)
    assert expected.sum() > count or count == 1
    assert np.flatnonzero(kept).tolist() == suppress(expected, np.arange(count, 0, -1.0)).tolist()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("portable") / "people.onnx"
    options = job.PortableOptions(detector="persondet")
    return path, job.convert("lrpose-s", path, options)


def test_the_graph_says_what_goes_in_and_out(whole):
    path, report = whole
    assert report.task == "people"
    assert report.inputs == {"frame": "H x W x 3"}
    assert report.outputs == {
        "keypoints": "P x 17 x 3", "person_scores": "P", "boxes_xyxy": "P x 4",
    }  # fmt: skip
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(metadata[PORTABLE_KEY]) == {"colour": "bgr", "min_score": 0.3}


def test_people_are_the_runtimes(whole, opened):
    photograph = cv2.imread(str(ROOT / "docs" / "astronaut.png"))
    frame = np.full((480, 640, 3), 90, np.uint8)
    frame[60:420, 20:380] = photograph
    frame[200:380, 420:600] = cv2.resize(photograph, (180, 180), interpolation=cv2.INTER_AREA)
    session = opened(whole[0])
    keypoints, scores, boxes = session.run(None, {"frame": frame})
    with Estimator("lrpose-s", threads=1, flip_test=False) as estimator:
        expected = estimator.predict(frame)
    assert len(keypoints) == len(expected) == 2
    # Two people of nearly the same confidence: which is first may differ.
    order = np.argsort(boxes[:, 0])
    keypoints, scores, boxes = keypoints[order], scores[order], boxes[order]
    expected = expected[np.argsort(expected.boxes_xyxy[:, 0])]
    assert np.abs(scores - expected.person_scores).max() < 0.1
    confident = expected.scores > 0.5
    shift = np.linalg.norm(keypoints[..., :2] - expected.keypoints, axis=2)
    # Boxes differ by a pixel or two, and the crops with them.
    heights = expected.boxes_xyxy[:, 3] - expected.boxes_xyxy[:, 1]
    shift *= 256 / (1.25 * heights[:, None])  # pixels of a crop 256 high
    assert np.median(shift[confident]) <= 1.5
    assert np.median(np.abs(boxes - expected.boxes_xyxy)) <= 4


@pytest.mark.parametrize("shape", [(90, 120), (1, 1), (3, 900)])
def test_no_people_are_an_empty_table(whole, opened, shape):
    found = opened(whole[0]).run(None, {"frame": np.full((*shape, 3), 90, np.uint8)})
    assert [values.shape for values in found] == [(0, 17, 3), (0,), (0, 4)]


def test_the_command_takes_a_detector_of_the_same_kind(tmp_path, tiny, capsys):
    target = tmp_path / "people.onnx"
    command = ["portable", str(tiny.heatmaps()), "--detector", "persondet", "--out", str(target)]
    assert app.run([*command, "--detector-size", "224", "--min-score", "0.4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["keypoints"] == "P x 21 x 3"


def test_a_detector_is_wanted_where_one_is_named(tiny, tmp_path):
    source, target = tiny.heatmaps(), tmp_path / "out.onnx"
    for model, detector in ((source, "lrpose-n"), ("persondet", "persondet")):
        with pytest.raises(ExportError, match="top-down pose network and a detector, got"):
            job.convert(model, target, job.PortableOptions(detector=detector))
    assert not target.exists()


def test_networks_of_two_opsets_fit_into_one_graph(tiny, tmp_path, opened):
    source = tiny.heatmaps()
    model = onnx.load(source)
    model.opset_import[0].version = 19
    onnx.save(model, source)
    job.convert(source, tmp_path / "out.onnx", job.PortableOptions(detector="persondet"))
    written = onnx.load(tmp_path / "out.onnx")
    assert [(o.domain, o.version) for o in written.opset_import] == [("", 19)]
    opened(tmp_path / "out.onnx").run(None, {"frame": np.zeros((64, 64, 3), np.uint8)})
