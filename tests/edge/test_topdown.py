"""Boxes to keypoints, with a network that draws what it is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import COCO_17, geometry
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import (
    DetectorSpec,
    HeatmapSpec,
    InputSpec,
    Manifest,
    TopDownSpec,
)
from litepose_edge.testing import FakeSession, gaussian_heatmaps, logits
from litepose_edge.topdown import TopDown

INPUT = InputSpec(
    width=192, height=256, colour="rgb", mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0)
)
SPEC = TopDownSpec(
    padding=1.25,
    heatmaps=HeatmapSpec(
        output="heatmaps", activation="sigmoid", alignment="centre", refinement="dark"
    ),
    skeleton=COCO_17,
)
CONTRACT = Manifest(schema=1, name="fake", precision="fp32", input=INPUT, model=SPEC)
FRAME = np.zeros((300, 400, 3), np.uint8)


def network_that_sees(points_in_input: np.ndarray) -> FakeSession:
    """Maps whose peaks lie at given network-input pixels."""
    cells = (points_in_input + 0.5) / 8 - 0.5
    return FakeSession({"heatmaps": logits(gaussian_heatmaps(cells, 32, 24))[None]})


@given(st.floats(-50, 300), st.floats(-50, 200), st.floats(20, 400), st.floats(20, 400))
@settings(max_examples=40, deadline=None)
def test_a_point_of_the_image_comes_back_to_itself(x, y, width, height):
    box = np.array([[x, y, x + width, y + height]], np.float32)
    rng = np.random.default_rng(0)
    truth = rng.uniform(box[0, :2], box[0, 2:], (17, 2))
    to_input = geometry.crop_affine(box[0], INPUT.size, SPEC.padding)
    session = network_that_sees(geometry.transform(to_input, truth))
    topdown = TopDown(lambda threads: session, CONTRACT, threads=1)
    keypoints, scores = topdown(FRAME, box)
    cell_px = 8 / to_input[0, 0]
    assert np.abs(keypoints[0] - truth).max() < 0.1 * cell_px
    assert scores.min() > 0.5


def test_every_box_gets_a_person_in_the_order_given():
    session = network_that_sees(np.full((17, 2), 100.0))
    topdown = TopDown(lambda threads: session, CONTRACT, threads=1)
    boxes = np.array([[0, 0, 40, 80], [300, 10, 380, 250], [100, 100, 110, 190]], np.float32)
    keypoints, scores = topdown(FRAME, boxes)
    assert keypoints.shape == (3, 17, 2)
    assert scores.shape == (3, 17)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    nearest = np.linalg.norm(keypoints.mean(axis=1)[:, None] - middles[None], axis=2).argmin(axis=1)
    assert nearest.tolist() == [0, 1, 2]


def test_no_boxes_run_no_network():
    def never(threads: int) -> FakeSession:
        raise AssertionError("opened a session for nobody")

    keypoints, scores = TopDown(never, CONTRACT, threads=2)(FRAME, np.zeros((0, 4), np.float32))
    assert keypoints.shape == (0, 17, 2)
    assert scores.shape == (0, 17)


def test_a_lone_crop_gets_all_threads_and_several_get_workers():
    opened: list[int] = []

    def open_session(threads: int) -> FakeSession:
        opened.append(threads)
        return network_that_sees(np.full((17, 2), 100.0))

    topdown = TopDown(open_session, CONTRACT, threads=3)
    box = np.array([[0, 0, 40, 80]], np.float32)
    topdown(FRAME, box)
    assert opened == [3]
    topdown(FRAME, np.repeat(box, 4, axis=0))
    assert opened == [3, 1]
    topdown(FRAME, np.repeat(box, 2, axis=0))
    assert opened == [3, 1]
    topdown.close()
    topdown.close()


def test_a_failing_worker_fails_the_call():
    def fail(batch: np.ndarray) -> dict[str, np.ndarray]:
        raise RuntimeError("broken kernel")

    topdown = TopDown(lambda threads: FakeSession(fail), CONTRACT, threads=2)
    with pytest.raises(RuntimeError, match="broken kernel"):
        topdown(FRAME, np.array([[0, 0, 40, 80], [0, 0, 50, 80]], np.float32))


def test_a_detector_is_no_pose_network():
    detector = Manifest(
        schema=1,
        name="fake",
        precision="fp32",
        input=INPUT,
        model=DetectorSpec(
            style="persondet", outputs=("a",), strides=(8,), fill=(0, 0, 0), max_iou=0.5
        ),
    )
    with pytest.raises(ManifestError, match="no top-down"):
        TopDown(lambda threads: FakeSession({}), detector, threads=1)
