"""Networks whose keypoints are not a person's 17: adopted, drawn, measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hands import NAMES, write_hands
from litepose_edge import Estimator
from litepose_edge.cli.app import run

onnx = pytest.importorskip("onnx")

SIDE, CELL = 160, 4


@pytest.fixture
def model(tmp_path):
    """A network of 21 maps that come out as bright as the picture's corner channels."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 0.05, (21, 3, CELL, CELL)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "kernel"], ["maps"], strides=[CELL, CELL])],
        "hand",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 21, 16, 16])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    path = tmp_path / "hand.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@pytest.fixture
def hands(tmp_path):
    return write_hands(tmp_path / "hands", 2, side=SIDE)


def adopt(model, *options):
    return run(["adopt", str(model), "--output-format", "heatmap", *map(str, options)])


def skeleton_in(model):
    return json.loads(model.with_name("hand.onnx.json").read_text())["manifest"]["model"][
        "skeleton"
    ]


def test_a_coco_file_gives_an_adopted_network_its_keypoints(model, hands):
    assert adopt(model, "--skeleton", hands) == 0
    assert skeleton_in(model)["keypoint_names"] == NAMES


def test_a_known_set_is_given_by_name_or_by_number(model):
    assert adopt(model, "--skeleton", "hand21") == 0
    by_name = skeleton_in(model)
    assert adopt(model, "--keypoints", 21) == 0
    assert skeleton_in(model) == by_name


@pytest.mark.parametrize("option", ["--keypoints", "--skeleton"])
def test_a_set_that_is_not_there_is_named_and_nothing_written(model, option, capsys):
    assert adopt(model, option, 20) != 0
    assert "20" in capsys.readouterr().err
    assert not model.with_name("hand.onnx.json").exists()


def test_21_keypoints_are_drawn_and_written(model, hands):
    adopt(model, "--skeleton", hands)
    frame = np.full((SIDE, SIDE, 3), 128, np.uint8)
    with Estimator(model, detector=None, flip_test=True) as estimator:
        poses = estimator.predict(frame, boxes_xyxy=np.array([[10, 10, 150, 150]]))
    assert poses.keypoints.shape == (1, 21, 2)
    assert poses.draw(frame, min_score=0).any()
    assert json.loads(poses.to_json())["keypoint_names"] == NAMES


def test_eval_measures_21_keypoints_of_a_category_of_its_own(model, hands, capsys):
    pytest.importorskip("pycocotools")
    adopt(model, "--skeleton", hands)
    capsys.readouterr()
    command = ["eval", "--data", hands, "--model", model, "--detector", "none", "--json"]
    assert run([str(word) for word in command]) == 0
    figures = json.loads(capsys.readouterr().out)["keypoints, ground-truth boxes"]
    assert 0 <= figures["ap"] <= 1


def test_eval_says_when_model_and_labels_have_different_keypoints(hands, capsys):
    pytest.importorskip("pycocotools")
    command = ["eval", "--data", hands, "--model", "lrpose-n", "--detector", "none"]
    assert run([str(word) for word in [*command, "--detector-size", "224"]]) == 2
    assert "there is none" in " ".join(capsys.readouterr().err.split())
    assert run([str(word) for word in command]) != 0
    assert "21 keypoints" in capsys.readouterr().err
