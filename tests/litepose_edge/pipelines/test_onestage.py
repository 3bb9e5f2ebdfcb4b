"""Images to people with a network that gives boxes and keypoints at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge import backends
from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Size
from litepose_edge.pipelines.letterbox import Letterbox
from litepose_edge.pipelines.onestage import OneStage
from litepose_edge.testing import FakeSession
from one_stage import SIDE, manifest, person, tables

FORMS = ["raw", "end to end", "rtmo"]
SHAPE = (1, 3, SIDE, SIDE)


def network(form, people, keypoints=17, **fields):
    session = FakeSession(tables(form, people, keypoints), SHAPE)
    return OneStage(lambda _: session, manifest(form, keypoints, **fields), 1)


@pytest.mark.parametrize("keypoints", [17, 21])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 97), (51, 77), (333, 21), (7, 3)])
def test_people_come_back_in_pixels_of_the_frame(form, keypoints, width, height):
    # Inside the image, wherever it lies in the input.
    box = np.array([31, 31, 33, 33]) if form != "rtmo" else np.array([0.5, 0.5, 2, 2])
    one = person(tuple(box), 0.8, keypoints)
    poses = network(form, [one], keypoints)(np.zeros((height, width, 3), np.uint8), 0.3)
    # The families' own arithmetic: labels are scaled, then moved by whole pixels.
    ratio = min(SIDE / width, SIDE / height)
    shown = np.array([max(round(width * ratio), 1), max(round(height * ratio), 1)])
    pad = np.zeros(2) if form == "rtmo" else (SIDE - shown) // 2
    expected = (one[2][:, :2] - pad) * [width, height] / shown
    np.testing.assert_allclose(poses.keypoints[0], expected, atol=1e-3)
    np.testing.assert_allclose(poses.scores[0], one[2][:, 2], atol=1e-6)
    edges = (box.reshape(2, 2) - pad) * [width, height] / shown - 0.5
    edges = edges.clip(-0.5, np.array([width, height]) - 0.5)
    np.testing.assert_allclose(poses.boxes_xyxy[0], edges.ravel(), atol=1e-3)
    np.testing.assert_allclose(poses.person_scores, [0.8], atol=1e-6)
    assert poses.image_size == Size(width, height)


@given(st.integers(16, 400), st.integers(16, 400), st.sampled_from(["centre", "corner"]))
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_somewhere_is_found_there(width, height, placement):
    # A bright square of a tenth of the frame; its middle is found in the input and mapped back.
    half = max(min(width, height) // 10, 2)
    x, y = width // 3, height // 2
    image = np.zeros((height, width, 3), np.uint8)
    image[y - half : y + half + 1, x - half : x + half + 1] = 255
    letterbox = Letterbox.fit(Size(width, height), Size(96, 64), placement)
    seen = letterbox.draw(image, (0, 0, 0))[..., 0].astype(np.float64)
    rows, columns = np.mgrid[:64, :96]
    middle = [(seen * columns).sum() / seen.sum() + 0.5, (seen * rows).sum() / seen.sum() + 0.5]
    # Pixel middles lie half a pixel from edges, in the image as in the input.
    back = letterbox.to_image(np.array(middle)) - 0.5
    assert np.abs((back - [x, y]) * letterbox.scale).max() < 0.45


def test_the_border_has_the_manifests_colour_and_the_image_its_pixels():
    session = FakeSession(tables("raw", []), SHAPE)
    net = OneStage(lambda _: session, manifest("raw", plain=True, side=SIDE), 1)
    image = np.full((32, 64, 3), (10, 20, 30), np.uint8)
    net(image, 0.3)
    (batch,) = session.batches
    assert batch.shape == SHAPE
    assert (batch[0, :, :16] == 114).all()
    assert (batch[0, :, 48:] == 114).all()
    assert batch[0, :, 16, 0].tolist() == [30, 20, 10]  # RGB
    assert (batch[0, :, 16:48] == batch[0, :, 16:17, :1]).all()
    # The next image's border covers what the last one left.
    net(np.zeros((64, 32, 3), np.uint8), 0.3)
    assert (session.batches[1][0, :, :, :16] == 114).all()


def test_the_raw_form_suppresses_whom_it_finds_twice():
    people = [
        person((10, 10, 30, 50), 0.6),
        person((11, 10, 31, 50), 0.9),
        person((22, 10, 42, 50), 0.5),
    ]
    image = np.zeros((64, 64, 3), np.uint8)
    assert network("raw", people)(image, 0.3).person_scores.tolist() == pytest.approx([0.9, 0.5])
    kept = network("raw", people, max_iou=0.95)(image, 0.3)
    assert kept.person_scores.tolist() == pytest.approx([0.9, 0.6, 0.5])
    strict = network("raw", people, max_iou=0.2)(image, 0.3)
    assert strict.person_scores.tolist() == pytest.approx([0.9])


def test_the_graphs_own_suppression_stands():
    people = [person((10, 10, 30, 50), 0.9), person((11, 10, 31, 50), 0.6)]
    for form in ("end to end", "rtmo"):
        assert len(network(form, people)(np.zeros((64, 64, 3), np.uint8), 0.3)) == 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "box", [(20, 10, 20, 40), (30, 10, 20, 40), (70, 10, 90, 40), (-1e38, -1e38, 1e38, 1e38)]
)
def test_boxes_without_area_in_the_image_are_dropped(form, box):
    sound = person((4, 8, 20, 40), 0.5)
    bad = np.array(box, np.float64), 0.9, sound[2]
    poses = network(form, [bad, sound])(np.zeros((64, 64, 3), np.uint8), 0.3)
    np.testing.assert_allclose(poses.person_scores, [0.5])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(form, value):
    outputs = tables(form, [person((4, 8, 20, 40), 0.9)])
    list(outputs.values())[-1].reshape(-1)[7] = value
    session = FakeSession(outputs, SHAPE)
    with pytest.raises(ManifestError, match="finite"):
        OneStage(lambda _: session, manifest(form), 1)(np.zeros((64, 64, 3), np.uint8))


def test_keypoints_beyond_all_measure_are_refused():
    box, score, points = person((4, 8, 20, 40), 0.9)
    points[3, 0] = 3e38
    with pytest.raises(ManifestError, match="finite keypoints"):
        network("raw", [(box, score, points)])(np.zeros((640, 640, 3), np.uint8))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_whole_numbers_are_no_table(dtype):
    outputs = {k: v.astype(dtype) for k, v in tables("raw", []).items()}
    session = FakeSession(outputs, SHAPE)
    with pytest.raises(ManifestError, match="floating-point"):
        OneStage(lambda _: session, manifest(), 1)(np.zeros((64, 64, 3), np.uint8))


def test_half_precision_outputs_are_taken():
    outputs = {
        k: v.astype(np.float16) for k, v in tables("raw", [person((4, 8, 20, 40), 0.9)]).items()
    }
    session = FakeSession(outputs, SHAPE)
    poses = OneStage(lambda _: session, manifest(), 1)(np.zeros((64, 64, 3), np.uint8))
    assert poses.keypoints.dtype == np.float32
    assert len(poses) == 1


def test_no_people_are_empty_arrays():
    for form in FORMS:
        poses = network(form, [])(np.zeros((50, 70, 3), np.uint8))
        assert len(poses) == 0
        assert poses.keypoints.shape == (0, 17, 2)


def test_a_top_down_network_is_no_one_stage_network():
    with pytest.raises(ManifestError, match="no one-stage"):
        OneStage(lambda _: FakeSession({}), backends.find_model("lrpose-s").manifest, 1)
