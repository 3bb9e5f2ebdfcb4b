"""Images to person boxes."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge import COCO_17, backends
from litepose_edge.detector import PersonDetector, decode_levels
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import DetectorSpec, InputSpec, Manifest
from litepose_edge.testing import FakeSession

INPUT = InputSpec(width=64, height=64, colour="rgb", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
CONTRACT = Manifest(
    schema=1,
    name="fake",
    precision="fp32",
    input=INPUT,
    model=DetectorSpec(
        style="persondet", outputs=("a", "b"), strides=(8, 16), fill=(1, 2, 3), max_iou=0.6
    ),
)


def levels(*cells: tuple[int, int, int, float, float]) -> dict[str, np.ndarray]:
    """Maps that are empty but for `(level, y, x, logit, log distance)`."""
    maps = [np.full((1, 5, 8, 8), -20, np.float32), np.full((1, 5, 4, 4), -20, np.float32)]
    for level, y, x, logit, distance in cells:
        maps[level][0, :, y, x] = [logit, *[distance] * 4]
    return {"a": maps[0], "b": maps[1]}


def test_a_cell_becomes_the_box_around_its_centre():
    maps = levels((1, 1, 2, 2.0, np.log(1.5)))
    boxes, scores = decode_levels([maps["a"], maps["b"]], (8, 16), 0.3)
    # Centre of cell (x 2, y 1) at stride 16 is (39.5, 23.5); 1.5 strides each way.
    np.testing.assert_allclose(boxes, [[15.5, -0.5, 63.5, 47.5]], atol=1e-4)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-2.0)), rtol=1e-5)


def test_cells_below_the_score_are_skipped():
    maps = levels((0, 1, 1, 0.0, 0.0), (0, 5, 5, 3.0, 0.0))
    boxes, scores = decode_levels([maps["a"], maps["b"]], (8, 16), 0.6)
    assert len(boxes) == 1
    assert scores[0] > 0.9


def test_boxes_come_back_in_image_pixels_best_first():
    session = FakeSession(levels((0, 1, 1, 1.0, 0.0), (0, 6, 6, 3.0, 0.0)), ("N", 3, 64, 64))
    boxes, scores = PersonDetector(session, CONTRACT)(np.zeros((128, 128, 3), np.uint8), 0.3)
    assert (np.diff(scores) < 0).all()
    # Input pixel p is image pixel 2 p + 0.5: both count from pixel centres.
    np.testing.assert_allclose(boxes[0], np.array([43.5, 43.5, 59.5, 59.5]) * 2 + 0.5, atol=1e-3)


def test_the_same_person_seen_by_two_cells_is_one_box():
    maps = levels((0, 3, 3, 2.0, 1.0), (0, 3, 4, 1.5, 1.0))
    boxes, _ = PersonDetector(FakeSession(maps), CONTRACT)(np.zeros((64, 64, 3), np.uint8), 0.3)
    assert len(boxes) == 1


def test_nobody_is_an_empty_array():
    session = FakeSession(levels())
    boxes, scores = PersonDetector(session, CONTRACT)(np.zeros((50, 70, 3), np.uint8), 0.3)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_boxes_stay_inside_the_image():
    maps = levels((0, 0, 0, 3.0, 2.0), (1, 3, 3, 3.0, 2.0))
    boxes, _ = PersonDetector(FakeSession(maps), CONTRACT)(np.zeros((64, 64, 3), np.uint8), 0.3)
    assert boxes.min() >= -0.5
    assert boxes.max() <= 63.5


def test_the_border_is_filled_with_the_manifests_colour():
    session = FakeSession(levels(), ("N", 3, 64, 64))
    PersonDetector(session, CONTRACT)(np.full((32, 64, 3), 200, np.uint8), 0.3)
    assert session.batches[0][0, :, 0, 0].tolist() == [3, 2, 1]


def test_a_pose_network_is_no_detector():
    pose = backends.find_model("lrpose-s").manifest
    assert len(COCO_17) == 17
    with pytest.raises(ManifestError, match="is no detector"):
        PersonDetector(FakeSession({}), pose)
