"""Pose networks from frame to keypoints: one ONNX graph against the runtime."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge import Estimator  # noqa: E402
from litepose_export.portable import job  # noqa: E402
from litepose_export.portable.check import as_colour  # noqa: E402
from paths import ROOT  # noqa: E402

PERSON = np.array([11, 0, 265, 355], np.float32)
CROP_HEIGHT = 256


@pytest.fixture(scope="module")
def astronaut():
    """A photograph in the public domain."""
    return cv2.imread(str(ROOT / "docs" / "astronaut.png"))


@pytest.fixture(scope="module", params=["fp32", "int8"])
def both(request, tmp_path_factory, opened):
    """The portable form of LRPose-s and the runtime's, in each precision."""
    path = tmp_path_factory.mktemp("portable") / "pose.onnx"
    job.convert("lrpose-s", path, job.PortableOptions(precision=request.param))
    options = {"detector": None, "threads": 1, "flip_test": False}
    with Estimator("lrpose-s", precision=request.param, **options) as estimator:
        yield opened(path), estimator


def run(session, frame, boxes):
    found, scores = session.run(
        None, {"frame": frame, "boxes_xyxy": np.asarray(boxes, np.float32).reshape(-1, 4)}
    )
    return found, scores


def shifts_px(both, frame, boxes):
    """How far confident keypoints are from the runtime's, in frame pixels and in crop pixels."""
    session, estimator = both
    boxes = np.asarray(boxes, np.float32)
    found, scores = run(session, frame, boxes)
    expected = estimator.predict(frame, boxes_xyxy=boxes)
    assert found.shape == (len(boxes), 17, 3)
    assert np.allclose(scores, expected.person_scores, atol=0.03)
    confident = expected.scores > 0.3
    shift = np.linalg.norm(found[..., :2] - expected.keypoints, axis=2)
    wide = (boxes[:, 2] - boxes[:, 0]) / 192 > (boxes[:, 3] - boxes[:, 1]) / CROP_HEIGHT
    view = 1.25 * np.where(
        wide, (boxes[:, 2] - boxes[:, 0]) / 192, (boxes[:, 3] - boxes[:, 1]) / CROP_HEIGHT
    )
    return shift[confident], (shift / view[:, None])[confident]


@pytest.mark.parametrize("people", [1, 7])
def test_keypoints_are_the_runtimes(both, astronaut, people):
    rng = np.random.default_rng(people)
    boxes = PERSON + rng.uniform(-12, 12, (people, 4))
    shift, in_crop = shifts_px(both, astronaut, boxes)
    assert len(shift) >= 5 * people
    assert np.median(in_crop) <= 0.5
    assert np.median(shift) <= 0.75  # the person is 1.4 times as tall as the crop


def test_boxes_may_reach_beyond_the_frame(both, astronaut):
    height, width = astronaut.shape[:2]
    boxes = [
        [-60, -80, 250, 340], [100, 100, width + 90, height + 70], [-500, 10, 60, 300],
        [0, -900, width, 60], [-3000, -3000, 3000, 3000],
    ]  # fmt: skip
    session, estimator = both
    found, _ = run(session, astronaut, boxes)
    expected = estimator.predict(astronaut, boxes_xyxy=boxes)
    # In parts of the box: most of these show no whole person.
    extent = np.array([box[3] - box[1] for box in boxes])[:, None]
    shift = np.linalg.norm(found[..., :2] - expected.keypoints, axis=2) / extent
    assert np.median(shift[expected.scores > 0.3]) <= 0.5 / CROP_HEIGHT
    assert np.abs(found[..., 2] - expected.scores).max() < 0.1


def test_no_people_are_an_empty_table(both, astronaut):
    found, scores = run(both[0], astronaut, [])
    assert found.shape == (0, 17, 3)
    assert scores.shape == (0,)


def test_a_person_as_tall_as_a_frame_of_twelve_megapixels(both, astronaut):
    frame = cv2.copyMakeBorder(
        cv2.resize(astronaut, (3000, 3000), interpolation=cv2.INTER_CUBIC),
        0, 0, 500, 500, cv2.BORDER_REFLECT,
    )  # fmt: skip
    scale = 3000 / astronaut.shape[0]
    box = PERSON * scale + [500, 0, 500, 0]
    box[1], box[3] = 0, 3000
    boxes = box + np.array([[0, 0, 0, 0], [-40, 0, -40, 0], [0, 0, 60, 0]])
    shift, in_crop = shifts_px(both, frame, boxes)
    assert np.median(in_crop) <= 0.5
    assert np.median(shift) <= 0.5 * 3000 * 1.25 / CROP_HEIGHT


def test_small_people_too(both, astronaut):
    frame = cv2.resize(astronaut, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(4)
    shift, _ = shifts_px(both, frame, PERSON * 0.15 + rng.uniform(-2, 2, (7, 4)))
    assert np.median(shift) <= 0.5


def test_a_strong_reduction_does_not_alias(tiny, opened, tmp_path):
    """Stripes of one pixel become grey, whatever the phase they are sampled in."""
    job.convert(tiny.means(order=("x", "y", "score")), tmp_path / "portable.onnx")
    session = opened(tmp_path / "portable.onnx")
    frame = np.zeros((1536, 1152, 3), np.uint8)
    frame[::2] = 255
    box = np.array([[0, 0, 1151.9, 1535.9]])
    grey = crop_means(session, frame, box)
    assert grey == pytest.approx([127.5] * 2, abs=1)


def crop_means(session, frame, boxes):
    """The mean of red and green of a crop: a keypoint in input pixels, mapped to the frame."""
    found, _ = run(session, frame, boxes)
    x1, y1, x2, y2 = np.asarray(boxes)[0]
    scale = max((x2 - x1) / 48, (y2 - y1) / 64)
    centre = np.array([x1 + x2, y1 + y2]) / 2
    return (found[0, 0, :2] - centre) / scale + [23.5, 31.5]


@pytest.mark.parametrize("colour", ["bgr", "rgb", "rgba"])
@pytest.mark.parametrize(
    "source", ["float32 nchw rgb", "float32 nchw bgr", "float32 nhwc rgb", "uint8 nchw rgb"]
)
def test_channels_arrive_in_the_networks_order(tiny, opened, tmp_path, source, colour):
    job.convert(tiny.means(source), tmp_path / "out.onnx", job.PortableOptions(colour=colour))
    session = opened(tmp_path / "out.onnx")
    frame = as_colour(np.full((64, 48, 3), (10, 20, 30), np.uint8), colour)
    # From edge to edge: the middle of the first pixel is 0.
    red, green = crop_means(session, frame, np.array([[-0.5, -0.5, 47.5, 63.5]]))
    # Files of ours that normalise by themselves take BGR.
    first = 30 if source.startswith("float32") and source.endswith("rgb") else 10
    assert (red, green) == pytest.approx((first, 20), abs=1e-3)


def test_pixels_beside_the_frame_are_black(tiny, opened, tmp_path):
    job.convert(tiny.means(), tmp_path / "out.onnx")
    frame = np.full((64, 48, 3), 200, np.uint8)
    # A quarter of the view lies in the frame.
    red, _ = crop_means(opened(tmp_path / "out.onnx"), frame, np.array([[24, 32, 72, 96.0]]))
    assert red == pytest.approx(50, abs=1)


def test_boxes_that_are_none_score_nothing_and_spoil_no_others(both, astronaut):
    nan, inf = float("nan"), float("inf")
    good = PERSON.tolist()
    bad = [
        [nan, 0, 5, 5], [0, 0, inf, 5], [50, 50, 50, 90], [60, 60, 20, 90],
        [-50, -50, -1, -1], [5000, 10, 6000, 90], [-2e18, 0, 5, 5],
    ]  # fmt: skip
    found, scores = run(both[0], astronaut, [good, *bad, good])
    alone, _ = run(both[0], astronaut, [good])
    assert not found[1:-1].any()
    assert not scores[1:-1].any()
    assert np.array_equal(found[[0, -1]], np.concatenate([alone, alone]))


@pytest.mark.parametrize("shape", [(1, 1), (2, 700), (700, 3), (5, 5)])
def test_odd_frames_and_huge_boxes_are_answered(both, shape):
    frame = np.full((*shape, 3), 90, np.uint8)
    boxes = [[0, 0, 1, 1], [-1e6, -1e6, 1e6, 1e6], [-1e17, -1e17, 1e17, 1e17], [0, 0, 1e-3, 1e-3]]
    found, _ = run(both[0], frame, boxes)
    assert found.shape == (4, 17, 3)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("int8", [False, True])
def test_other_keypoint_sets(tiny, opened, tmp_path, int8):
    source = tiny.heatmaps(21, int8=int8)
    job.convert(source, tmp_path / "out.onnx")
    rng = np.random.default_rng(5)
    frame = cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (400, 300))
    boxes = rng.uniform([0, 0, 60, 80], [150, 100, 340, 290], (7, 4))
    boxes[:, 2:] = boxes[:, :2] + np.abs(boxes[:, 2:] - boxes[:, :2]) + 20
    found, _ = run(opened(tmp_path / "out.onnx"), frame, boxes)
    with Estimator(source, detector=None, threads=1) as estimator:
        expected = estimator.predict(frame, boxes_xyxy=boxes)
    assert found.shape == (7, 21, 3)
    assert np.median(np.linalg.norm(found[..., :2] - expected.keypoints, axis=2)) <= 0.5
    assert np.median(np.abs(found[..., 2] - expected.scores)) <= 0.01


def test_simcc(tiny, opened, tmp_path):
    source = tiny.simcc()
    job.convert(source, tmp_path / "out.onnx")
    rng = np.random.default_rng(6)
    frame = cv2.resize(rng.integers(0, 256, (9, 12, 3), np.uint8), (400, 300))
    boxes = [[10, 10, 130, 200], [200, 30, 320, 290]]
    found, _ = run(opened(tmp_path / "out.onnx"), frame, boxes)
    with Estimator(source, detector=None, threads=1) as estimator:
        expected = estimator.predict(frame, boxes_xyxy=boxes)
    assert np.median(np.linalg.norm(found[..., :2] - expected.keypoints, axis=2)) <= 0.5
