"""Boxes to keypoints, with a network that draws what it is told."""

from __future__ import annotations

import msgspec
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
    RegressionSpec,
    SimccSpec,
    TopDownSpec,
)
from litepose_edge.person_filter import pose_scores
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.testing import FakeSession, gaussian_heatmaps, logits

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
MANIFEST = Manifest(schema=1, name="fake", precision="fp32", input=INPUT, model=SPEC)
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
    to_input = geometry.crop_view(box[0], INPUT.size, SPEC.padding)
    session = network_that_sees(geometry.transform(to_input, truth))
    topdown = TopDown(lambda threads: session, MANIFEST, threads=1)
    keypoints, scores = topdown(FRAME, box)
    cell_px = 8 / to_input[0, 0]
    assert np.abs(keypoints[0] - truth).max() < 0.1 * cell_px
    assert scores.min() > 0.5


def test_every_box_gets_a_person_in_the_order_given():
    session = network_that_sees(np.full((17, 2), 100.0))
    topdown = TopDown(lambda threads: session, MANIFEST, threads=1)
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

    keypoints, scores = TopDown(never, MANIFEST, threads=2)(FRAME, np.zeros((0, 4), np.float32))
    assert keypoints.shape == (0, 17, 2)
    assert scores.shape == (0, 17)


def test_a_lone_crop_gets_all_threads_and_several_get_workers():
    opened: list[int] = []

    def open_session(threads: int) -> FakeSession:
        opened.append(threads)
        return network_that_sees(np.full((17, 2), 100.0))

    topdown = TopDown(open_session, MANIFEST, threads=3)
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

    topdown = TopDown(lambda threads: FakeSession(fail), MANIFEST, threads=2)
    with pytest.raises(RuntimeError, match="broken kernel"):
        topdown(FRAME, np.array([[0, 0, 40, 80], [0, 0, 50, 80]], np.float32))


def test_a_detector_is_no_pose_network():
    detector = Manifest(
        schema=1,
        name="fake",
        precision="fp32",
        input=INPUT,
        model=DetectorSpec(
            output_format="persondet", outputs=("a",), strides=(8,), fill=(0, 0, 0), max_iou=0.5
        ),
    )
    with pytest.raises(ManifestError, match="no top-down"):
        TopDown(lambda threads: FakeSession({}), detector, threads=1)


BOX = np.array([[100, 50, 250, 290]], np.float32)


def truth_and_map(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints in a box of the image, and the same in the network's input."""
    truth = np.random.default_rng(0).uniform(box[0, :2] + 5, box[0, 2:] - 5, (17, 2))
    to_input = geometry.crop_view(box[0], INPUT.size, SPEC.padding)
    return truth, geometry.transform(to_input, truth)


def with_head(**head) -> Manifest:
    model = TopDownSpec(padding=SPEC.padding, skeleton=COCO_17, **head)
    return Manifest(schema=1, name="fake", precision="fp32", input=INPUT, model=model)


def simcc_network(points: np.ndarray) -> FakeSession:
    """Parabolas over two bins a pixel, as the logarithms of Gaussians."""
    bins_x, bins_y = np.arange(384), np.arange(512)
    x = 0.9 - 0.01 * (bins_x - 2 * points[:, 0, None]) ** 2
    y = 0.9 - 0.01 * (bins_y - 2 * points[:, 1, None]) ** 2
    return FakeSession({"x": x[None].astype(np.float32), "y": y[None].astype(np.float32)})


def regression_network(points: np.ndarray) -> FakeSession:
    table = np.column_stack([points[:, 1] / 256, points[:, 0] / 192, np.full(17, 0.7)])
    return FakeSession({"table": table[None, None].astype(np.float32)})


HEADS = [
    ({"simcc": SimccSpec(x="x", y="y")}, simcc_network),
    ({"regression": RegressionSpec(output="table")}, regression_network),
]


@pytest.mark.parametrize(("head", "network"), HEADS)
def test_a_network_without_heatmaps_finds_the_points_too(head, network):
    truth, in_input = truth_and_map(BOX)
    topdown = TopDown(lambda threads: network(in_input), with_head(**head), threads=1)
    keypoints, scores = topdown(FRAME, np.repeat(BOX, 2, axis=0))
    assert keypoints.shape == (2, 17, 2)
    assert keypoints.dtype == scores.dtype == np.float32
    np.testing.assert_allclose(keypoints[1], truth, atol=0.05)
    assert scores.min() > 0.5


@pytest.mark.parametrize(("head", "network"), HEADS)
def test_the_mirrored_crop_of_a_network_without_heatmaps_agrees(head, network):
    truth, in_input = truth_and_map(BOX)
    mirrored = in_input[list(COCO_17.flip_permutation)].copy()
    mirrored[:, 0] = INPUT.width - 1 - mirrored[:, 0]
    answers = [network(in_input).run(np.zeros(0)), network(mirrored).run(np.zeros(0))]
    calls = iter(answers)
    session = FakeSession(lambda batch: next(calls))
    topdown = TopDown(lambda threads: session, with_head(**head), threads=1, flip_test=True)
    keypoints, _ = topdown(FRAME, BOX)
    np.testing.assert_allclose(keypoints[0], truth, atol=0.05)


def drawn(cell: tuple[int, int], heat: float) -> dict[str, np.ndarray]:
    """Maps with one peak each, all in the same cell `(x, y)`."""
    maps = np.full((1, 17, 32, 24), -9, np.float32)
    maps[:, :, cell[1], cell[0]] = np.log(heat / (1 - heat))
    return {"heatmaps": maps}


SURE, DOUBTFUL, MIRRORED = drawn((5, 9), 0.9), drawn((5, 9), 0.4), drawn((6, 20), 0.95)


@pytest.mark.parametrize(
    ("flip_test", "answers", "moved"),
    [
        (None, [DOUBTFUL, MIRRORED, SURE], [True, False]),
        (True, [DOUBTFUL, MIRRORED, SURE, MIRRORED], [True, True]),
        (False, [DOUBTFUL, SURE], [False, False]),
    ],
)
def test_people_of_low_pose_scores_get_a_flip_test(flip_test, answers, moved):
    model = msgspec.structs.replace(SPEC, flip_test_below=0.5)
    manifest = msgspec.structs.replace(MANIFEST, model=model)
    left = iter(answers)
    session = FakeSession(lambda batch: next(left))
    boxes = np.repeat(BOX, 2, axis=0)
    keypoints, _ = TopDown(lambda threads: session, manifest, 1, flip_test=flip_test)(FRAME, boxes)
    assert next(left, None) is None
    once, _ = TopDown(lambda threads: FakeSession(SURE), MANIFEST, 1)(FRAME, boxes)
    assert (np.abs(keypoints - once).max(axis=(1, 2)) > 1).tolist() == moved


@pytest.mark.parametrize(("detected", "answers"), [(False, 1), (True, 2)])
def test_detected_people_have_a_flip_test_bound_of_their_own(detected, answers):
    model = msgspec.structs.replace(SPEC, flip_test_below=0.2, flip_test_below_detected=0.5)
    asked = []

    def answer(batch):
        asked.append(batch)
        return DOUBTFUL

    manifest = msgspec.structs.replace(MANIFEST, model=model)
    TopDown(lambda threads: FakeSession(answer), manifest, 1)(FRAME, BOX, detected=detected)
    assert len(asked) == answers


@pytest.mark.parametrize("flip_test", [None, True])
def test_a_pose_that_nobody_will_report_gets_no_flip_test(flip_test):
    model = msgspec.structs.replace(SPEC, flip_test_below=0.5)
    manifest = msgspec.structs.replace(MANIFEST, model=model)
    asked = []

    def answer(batch):
        asked.append(batch)
        return DOUBTFUL

    run = TopDown(lambda threads: FakeSession(answer), manifest, 1, flip_test=flip_test)
    run(FRAME, BOX)
    assert len(asked) == 2
    score = pose_scores(TopDown(lambda _: FakeSession(DOUBTFUL), MANIFEST, 1)(FRAME, BOX)[1])[0]
    run(FRAME, BOX, least_scores=np.array([score - 0.01], np.float32))
    assert len(asked) == 4
    run(FRAME, BOX, least_scores=np.array([score + 0.01], np.float32))
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("head", "outputs", "says"),
    [
        ({"simcc": SimccSpec(x="x", y="y")}, {"x": np.zeros((1, 17, 384))}, "no output 'y'"),
        (
            {"simcc": SimccSpec(x="x", y="y")},
            {"x": np.zeros((1, 14, 384)), "y": np.zeros((1, 14, 512))},
            "names 17 keypoints",
        ),
        ({"heatmaps": SPEC.heatmaps}, {"heatmaps": np.zeros((1, 16, 64, 48))}, "17 keypoints"),
        ({"heatmaps": SPEC.heatmaps}, {"heatmaps": np.zeros((1, 17, 384))}, "17 keypoints"),
        ({"regression": RegressionSpec(output="t")}, {"t": np.zeros((1, 39, 5))}, "17, 3"),
    ],
)
def test_outputs_that_the_manifest_does_not_describe_are_refused(head, outputs, says):
    topdown = TopDown(lambda threads: FakeSession(outputs), with_head(**head), threads=1)
    with pytest.raises(ManifestError, match=says):
        topdown(FRAME, BOX)


def test_a_network_that_wants_rgb_pixels_gets_them():
    spec = InputSpec(
        width=24, height=32, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1), dtype="uint8",
        layout="nhwc",
    )  # fmt: skip
    manifest = Manifest(
        schema=1, name="fake", precision="fp32", input=spec,
        model=TopDownSpec(
            padding=1.0, skeleton=COCO_17, regression=RegressionSpec(output="table")
        ),
    )  # fmt: skip
    session = regression_network(np.zeros((17, 2)))
    frame = np.zeros((32, 24, 3), np.uint8)
    frame[..., 2] = 255  # red
    TopDown(lambda threads: session, manifest, threads=1)(
        frame, np.array([[0, 0, 24, 32]], np.float32)
    )
    (batch,) = session.batches
    assert batch.shape == (1, 32, 24, 3)
    assert batch.dtype == np.uint8
    assert batch[0, 10, 10].tolist() == [255, 0, 0]
