"""One-stage networks of others: adopted, run, measured, tracked, benched."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from figures import write_figures
from litepose_edge import Estimator
from litepose_edge.cli.app import run
from litepose_edge.errors import InvalidBoxError, ManifestError, ModelError, UnsupportedModelError
from litepose_edge.measure.accuracy.coco import read_coco
from one_stage import SIDE, manifest, person, tables, write_onnx

pytest.importorskip("onnx")

FORMS = {"raw": "yolo-pose", "end to end": "yolo-pose", "rtmo": "rtmo"}
PEOPLE = [person((12, 14, 28, 56), 0.9, seed=1), person((36, 14, 50, 52), 0.25, seed=2)]
FRAME = np.zeros((96, 128, 3), np.uint8)


@pytest.fixture
def model(tmp_path):
    """Writes a file without a manifest."""

    def write(form="raw", people=PEOPLE, keypoints=17):
        return write_onnx(tmp_path / "net.onnx", tables(form, people, keypoints))

    return write


def adopt(path, output_format, *options):
    return run(["adopt", str(path), "--output-format", output_format, *options])


def described(path):
    return json.loads(path.with_name(path.name + ".json").read_text())["manifest"]


@pytest.mark.parametrize("keypoints", [17, 21])
@pytest.mark.parametrize("form", FORMS)
def test_adopted_files_find_people_without_a_detector(model, form, keypoints):
    people = [person((12, 14, 28, 56), 0.9, keypoints)]
    path = model(form, people, keypoints)
    assert adopt(path, FORMS[form], "--keypoints", str(keypoints)) == 0
    head = described(path)["model"]["output_format"]
    assert head.get("end_to_end", False) == (form == "end to end")
    for detector in ("default", None):
        with Estimator(path, detector=detector) as estimator:
            poses = estimator.predict(FRAME)
            twice = estimator.predict_batch([FRAME, FRAME[:, :64]])
        pad = 0 if form == "rtmo" else 8
        np.testing.assert_allclose(
            poses.keypoints[0], 2 * (people[0][2][:, :2] - [0, pad]), atol=1e-3
        )
        np.testing.assert_array_equal(twice[0].keypoints, poses.keypoints)
    assert poses.draw(FRAME).shape == FRAME.shape


def test_people_are_reported_from_min_score_on_as_the_network_scores_them(model):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    for least, expected in ((0.3, [0.9]), (0.25, [0.9, 0.25]), (0.0, [0.9, 0.25]), (0.95, [])):
        with Estimator(path, min_score=least) as estimator:
            scores = estimator.predict(FRAME).person_scores
        np.testing.assert_allclose(scores, expected, atol=1e-6)
    with Estimator(path, min_score=0, max_people=1) as estimator:
        assert len(estimator.predict(FRAME)) == 1


def test_people_whom_the_network_keeps_apart_stay_apart(model):
    # Bodies that overlap by two thirds: one person to top-down networks, two to this one.
    path = model(people=[person((12, 14, 30, 56), 0.9), person((16, 14, 34, 56), 0.8)])
    assert adopt(path, "yolo-pose") == 0
    with Estimator(path) as estimator:
        assert len(estimator.predict(FRAME)) == 2
    assert adopt(path, "yolo-pose", "--set", "model.max_iou=0.5") == 0
    with Estimator(path) as estimator:
        assert len(estimator.predict(FRAME)) == 1


@pytest.mark.parametrize(
    "options", [{"detector": "other.onnx"}, {"detector": lambda frame: []}, {"flip_test": True}]
)
def test_what_a_one_stage_network_has_no_use_for_is_refused(model, options):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    with pytest.raises(UnsupportedModelError, match=f"one-stage.*leave `{next(iter(options))}`"):
        Estimator(path, **options)


def test_boxes_are_refused(model):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    with Estimator(path) as estimator:
        with pytest.raises(InvalidBoxError, match="finds people by itself"):
            estimator.predict(FRAME, boxes_xyxy=[[0, 0, 10, 10]])
        assert len(estimator.predict(FRAME)) == 1


def test_a_network_of_other_keypoints_is_not_adopted(model, capsys):
    path = model("raw", [person((12, 14, 28, 56), 0.9, 21)], 21)
    assert adopt(path, "yolo-pose") == 3
    message = " ".join(capsys.readouterr().err.split())
    assert "17 keypoints" in message
    assert "(1, 68, 40)" in message
    assert not path.with_name("net.onnx.json").exists()
    assert adopt(path, "yolo-pose", "--skeleton", "hand21") == 0


def test_more_classes_are_said_by_hand(tmp_path):
    table = tables("raw", PEOPLE)["output0"]
    two = np.concatenate([table[:, :4], table[:, 4:5] * 0, table[:, 4:]], axis=1)
    path = write_onnx(tmp_path / "net.onnx", {"output0": two})
    assert adopt(path, "yolo-pose") == 3
    changes = ("--set", "model.output_format.classes=2")
    assert adopt(path, "yolo-pose", *changes) == 0
    with Estimator(path) as estimator:
        assert len(estimator.predict(FRAME)) == 1
    assert adopt(path, "yolo-pose", *changes, "--set", "model.output_format.person=0") == 0
    with Estimator(path) as estimator:
        assert len(estimator.predict(FRAME)) == 0
    assert adopt(path, "yolo-pose", *changes, "--set", "model.output_format.person=2") == 2


def test_places_from_0_to_1_are_told_from_pixels(tmp_path):
    table = tables("raw", PEOPLE)["output0"]
    parts = table.copy()
    parts[0, :4] /= SIDE
    parts[0, 5::3] /= SIDE
    parts[0, 6::3] /= SIDE
    found = []
    for name, given in (("pixels", table), ("image", parts)):
        path = write_onnx(tmp_path / f"{name}.onnx", {"output0": given})
        assert adopt(path, "yolo-pose") == 0
        assert described(path)["model"]["output_format"].get("unit", "pixels") == name
        with Estimator(path) as estimator:
            found.append(estimator.predict(FRAME).keypoints)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_outputs_in_another_order_are_named(tmp_path):
    both = tables("rtmo", PEOPLE)
    turned = {"keypoints": both["keypoints"], "dets": both["dets"]}
    path = write_onnx(tmp_path / "net.onnx", turned)
    assert adopt(path, "rtmo") == 3
    assert adopt(path, "rtmo", "--output", "dets", "--output", "keypoints") == 0
    assert adopt(path, "rtmo", "--output", "dets") == 2


def test_manifests_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="reads 1 `outputs`, got 2"):
        manifest("raw").model.__class__(
            output_format=manifest("raw").model.output_format,
            outputs=("a", "b"),
            skeleton=manifest().model.skeleton,
            fill=(0, 0, 0),
        )
    with pytest.raises(ValueError, match="one of 2 classes"):
        manifest("raw", classes=2, person=2)
    assert manifest("end to end", person=7).model.output_format.person == 7


def test_a_file_carries_its_manifest_inside_as_well(tmp_path):
    path = write_onnx(tmp_path / "own.onnx", tables("raw", PEOPLE), manifest("raw"))
    with Estimator(path) as estimator:
        assert len(estimator.predict(FRAME)) == 1


def test_a_networks_outputs_are_held_to_the_manifest(tmp_path):
    path = write_onnx(
        tmp_path / "own.onnx", tables("end to end", PEOPLE), manifest("raw", max_iou=0.5)
    )
    with Estimator(path) as estimator, pytest.raises(ManifestError, match="expected"):
        estimator.predict(FRAME)


def test_info_says_what_it_is(model, capsys):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    capsys.readouterr()
    assert run(["info", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "one-stage pose" in said
    assert "yolo-pose, duplicates suppressed above IoU 0.7" in said


def test_predict_and_eval_need_no_boxes(model, tmp_path, capsys):
    labels = write_figures(tmp_path)
    image = read_coco(labels).images[0]
    pixels = cv2.imread(str(image.path))
    scale = SIDE / max(pixels.shape[:2])
    left = (SIDE - round(pixels.shape[1] * scale)) // 2
    points = image.keypoints[0].copy()
    points[:, :2] = points[:, :2] * scale + [left, 0]
    points[:, 2] = 0.9
    box = image.boxes_xyxy[0] * scale + [left, 0, left, 0]
    path = model(people=[(box, 0.04, points)])
    assert adopt(path, "yolo-pose") == 0
    capsys.readouterr()
    pytest.importorskip("pycocotools")
    assert run(["eval", "--data", str(labels), "--model", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # Right on one photograph of eight figures that stand alike, and found below the default score.
    assert found["keypoints, no boxes"]["ap50"] > 0.5
    assert found["default threshold"]["recall"] == 0
    assert run(["eval", "--data", str(labels), "--model", str(path), "--detector", "none"]) == 2
    assert run(["predict", str(image.path), "--model", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["people"] == []


def test_people_are_tracked_with_ids(model, tmp_path):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    with Estimator(path) as estimator:
        results = list(estimator.stream([FRAME, FRAME, FRAME], detect_every=10, smooth=False))
        plain = estimator.predict(FRAME)
    assert [result.poses.track_ids.tolist() for result in results] == [[1], [1], [1]]
    np.testing.assert_allclose(results[-1].poses.keypoints, plain.keypoints)


def test_bench_has_no_boxes_to_give(model, capsys):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    capsys.readouterr()
    assert run(["bench", str(path), "--people", "1"]) == 2
    assert "--people found" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_bench_measures_whole_frames(model, capsys):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    quick = ["--seconds", "0.1", "--repeats", "2", "--threads", "1"]
    capsys.readouterr()
    assert run(["bench", str(path), *quick, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["results"][0]["label"].endswith("found")


@pytest.mark.openvino
def test_both_engines_find_the_same(model):
    path = model()
    assert adopt(path, "yolo-pose") == 0
    found = []
    for backend in ("onnxruntime", "openvino"):
        with Estimator(path, backend=backend) as estimator:
            found.append(estimator.predict(FRAME))
    np.testing.assert_allclose(found[0].keypoints, found[1].keypoints, atol=1e-3)


def test_an_ir_asks_for_openvino(tmp_path):
    path = tmp_path / "net.xml"
    path.write_text("<net/>")
    path.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(ModelError, match='backend="openvino"'):
        Estimator(path)
