"""Outputs of networks that are not what the manifest says, and sound ones beside them."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge import COCO_17
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import (
    BottomUpSpec,
    DecodedFormat,
    DetectorSpec,
    HeatmapSpec,
    InputSpec,
    Manifest,
    RegressionSpec,
    RtmdetFormat,
    SimccSpec,
    TopDownSpec,
)
from litepose_edge.pipelines.bottomup import BottomUp
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.outputs import FLOAT32_MAX, expect_finite
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.testing import FakeSession

INPUT = InputSpec(width=64, height=64, colour="rgb", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
FRAME = np.zeros((100, 100, 3), np.uint8)
BOX = np.array([[10, 10, 60, 90]], np.float32)
FIXED = (1, 3, 64, 64)
HEATMAPS = HeatmapSpec(output="o", activation="linear", alignment="corner", refinement="dark")
SIMCC = SimccSpec(x="o", y="b", activation="softmax")
PERSONDET = {"output_format": "persondet", "outputs": ("o",), "strides": (8,)}
RTMDET = {"output_format": RtmdetFormat(), "outputs": ("o", "b"), "strides": (8,)}
DECODED = {
    "output_format": DecodedFormat(columns=("x1", "y1", "x2", "y2", "score")),
    "outputs": ("o", "b"),
}


def manifest(model) -> Manifest:
    return Manifest(schema=1, name="fake", precision="fp32", input=INPUT, model=model)


def poses(head, outputs):
    model = TopDownSpec(padding=1.25, skeleton=COCO_17, **head)
    keypoints, scores = TopDown(lambda _: FakeSession(outputs, FIXED), manifest(model), 1)(
        FRAME, BOX
    )
    assert keypoints.dtype == scores.dtype == np.float32
    assert np.isfinite(keypoints).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    return keypoints


def boxes(fields, outputs):
    model = DetectorSpec(fill=(0, 0, 0), max_iou=0.6, **fields)
    return PersonDetector(lambda _: FakeSession(outputs, FIXED), manifest(model), 1)(FRAME, 0.3)[0]


def groups(outputs):
    model = BottomUpSpec(coarse="o", fine="b", skeleton=COCO_17)
    return BottomUp(lambda _: FakeSession(outputs, FIXED), manifest(model), 1)(FRAME)


def zeros(*shape, dtype=np.float32, filled=0.0):
    return np.full(shape, filled, dtype)


MAPS, BINS, NAN = zeros(1, 17, 16, 16), zeros(1, 17, 128), np.nan


@pytest.mark.parametrize(
    ("head", "outputs"),
    [
        ({"heatmaps": HEATMAPS}, {"o": MAPS}),
        ({"heatmaps": HEATMAPS}, {"o": MAPS.astype(np.float64)}),
        ({"heatmaps": HEATMAPS}, {"o": MAPS.astype(np.float16)}),
        ({"heatmaps": HEATMAPS}, {"o": zeros(1, 17, 1, 1)}),
        ({"simcc": SIMCC}, {"o": BINS, "b": BINS}),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros(1, 17, 3)}),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros(1, 1, 17, 3)}),
    ],
)
def test_sound_outputs_of_a_pose_network_are_decoded(head, outputs):
    assert poses(head, outputs).shape == (1, 17, 2)


@pytest.mark.parametrize(
    ("head", "outputs", "says"),
    [
        ({"heatmaps": HEATMAPS}, {"o": MAPS * NAN}, "NaN or infinity"),
        ({"heatmaps": HEATMAPS}, {"o": zeros(2, 17, 16, 16)}, r"gives \(2, 17"),
        ({"heatmaps": HEATMAPS}, {"o": zeros(0, 17, 16, 16)}, r"gives \(0, 17"),
        ({"heatmaps": HEATMAPS}, {"o": zeros(1, 17, 0, 16)}, "0, 16"),
        ({"heatmaps": HEATMAPS}, {"o": zeros()}, r"gives \(\)"),
        ({"heatmaps": HEATMAPS}, {"o": MAPS.astype(np.int64)}, "floating-point numbers"),
        ({"heatmaps": HEATMAPS}, {"o": MAPS.astype(bool)}, "floating-point numbers"),
        ({"heatmaps": HEATMAPS}, {"o": MAPS.astype(str)}, "floating-point numbers"),
        ({"heatmaps": HEATMAPS}, {"o": [MAPS]}, "list"),
        ({"heatmaps": HEATMAPS}, {"o": MAPS.astype(np.float64) + 1e300}, "NaN or infinity"),
        ({"simcc": SIMCC}, {"o": BINS * NAN, "b": BINS}, "NaN or infinity"),
        ({"simcc": SIMCC}, {"o": BINS, "b": zeros(2, 17, 128)}, "2, 17, 128"),
        ({"simcc": SIMCC}, {"o": zeros(1, 17, 0), "b": BINS}, "1, 17, 0"),
        ({"simcc": SIMCC}, {"o": zeros(1, 17, 64), "b": BINS}, "1, 17, 64"),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros(1, 17, 3, filled=NAN)}, "NaN"),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros(1, 17, 3, filled=-np.inf)}, "inf"),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros(0, 17, 3)}, "0, 17, 3"),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros(2, 17, 3)}, "2, 17, 3"),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros()}, r"gives \(\)"),
        ({"regression": RegressionSpec(output="o")}, {"o": zeros(1, 17, 3, filled=3e38)}, "finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_other_outputs_of_a_pose_network_are_refused(head, outputs, says):
    with pytest.raises(ManifestError, match=says):
        poses(head, outputs)


def a_box(dtype=np.float32):
    return np.array([[[8, 8, 40, 50, 0.9]]], dtype)


@pytest.mark.parametrize(
    ("fields", "outputs", "count"),
    [
        (PERSONDET, {"o": zeros(1, 5, 8, 8, filled=-9)}, 0),
        (RTMDET, {"o": zeros(1, 1, 8, 8, filled=-9), "b": zeros(1, 4, 8, 8)}, 0),
        (DECODED, {"o": a_box(), "b": zeros(1, 1, dtype=np.int64)}, 1),
        (DECODED, {"o": a_box(np.float64), "b": zeros(1, 1, dtype=np.int32)}, 1),
        (DECODED, {"o": zeros(1, 0, 5), "b": zeros(1, 0, dtype=np.int64)}, 0),
    ],
)
def test_sound_outputs_of_a_detector_are_decoded(fields, outputs, count):
    assert boxes(fields, outputs).shape == (count, 4)


@pytest.mark.parametrize(
    ("fields", "outputs"),
    [
        (PERSONDET, {"o": zeros(1, 4, 8, 8, filled=9)}),
        (PERSONDET, {"o": zeros(5, 8, 8, filled=9)}),
        (PERSONDET, {"o": zeros(1, 5, 8, 8).astype(str)}),
        (PERSONDET, {"o": zeros(0, 5, 8, 8)}),
        (PERSONDET, {"o": zeros(1, 5, 7, 8)}),
        (PERSONDET, {"o": zeros(1, 5, 8, 8, filled=NAN)}),
        (RTMDET, {"o": zeros(1, 1, 8, 8, filled=9), "b": zeros(1, 4, 0, 8)}),
        (RTMDET, {"o": zeros(1, 1, 8, 8, filled=9), "b": zeros(1, 0, 8, 8)}),
        (RTMDET, {"o": zeros(1, 0, 8, 8), "b": zeros(1, 4, 8, 8)}),
        (RTMDET, {"o": zeros(1, 1, 8, 8, filled=9), "b": zeros(1, 4, 8, 8, filled=np.inf)}),
        (DECODED, {"o": a_box() * NAN, "b": zeros(1, 1)}),
        (DECODED, {"o": a_box().astype(str), "b": zeros(1, 1)}),
    ],
)
def test_other_outputs_of_a_detector_are_refused(fields, outputs):
    with pytest.raises(ManifestError):
        boxes(fields, outputs)


def test_sound_outputs_of_a_bottom_up_network_are_grouped():
    assert len(groups({"o": zeros(1, 34, 16, 16), "b": zeros(1, 17, 32, 32)})) == 0


@pytest.mark.parametrize(
    "outputs",
    [
        {"o": zeros(1, 34, 16, 16, dtype=np.int64), "b": zeros(1, 17, 32, 32)},
        {"o": zeros(0, 34, 16, 16), "b": zeros(0, 17, 32, 32)},
        {"o": zeros(1, 34, 16, 16, filled=NAN), "b": zeros(1, 17, 32, 32)},
        {"o": zeros(1, 34, 16, 16), "b": zeros(1, 17, 32, 0)},
    ],
)
def test_other_outputs_of_a_bottom_up_network_are_refused(outputs):
    with pytest.raises(ManifestError):
        groups(outputs)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e300])
def test_one_keypoint_beyond_measure_is_refused(value):
    keypoints = np.zeros((2, 17, 2))
    keypoints[1, 3, 1] = value
    with pytest.raises(ManifestError, match="finite keypoints"):
        expect_finite(keypoints, "pose network")


@pytest.mark.parametrize("value", [0.0, FLOAT32_MAX, -FLOAT32_MAX])
@pytest.mark.parametrize("people", [0, 2])
def test_finite_keypoints_are_taken(people, value):
    keypoints = np.full((people, 17, 2), value)
    found = expect_finite(keypoints, "pose network")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, keypoints)
