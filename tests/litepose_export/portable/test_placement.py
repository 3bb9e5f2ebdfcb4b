"""Where a detector's input sees the frame, and the way back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytestmark = pytest.mark.export

from litepose_edge.manifest import DetectorSpec, InputSpec  # noqa: E402
from litepose_export.portable import crop, placement  # noqa: E402

NETWORK = InputSpec(width=64, height=64, colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))


def spec_of(placement, fill=(114, 114, 114)):
    return DetectorSpec(
        output_format="persondet",
        outputs=("a", "b"),
        fill=fill,
        max_iou=0.6,
        strides=(8, 16),
        placement=placement,
    )


def seen(evaluate, frame, spec, *, free_size=False, boxes=((0, 0, 9, 9),)):
    """The planes, the frame's size and corner in them, and boxes back in the frame."""

    def write(graph):
        size = crop.frame_size(graph, "frame")
        largest = graph.constant([64, 64], np.float64)
        place = placement.place(graph, size, largest, spec, free_size=free_size)
        halved = placement.halved_for_all(graph, "frame", size, [place], "bgr")
        planes = placement.picture(graph, halved, place, NETWORK, spec, "bgr")
        back = placement.to_frame(graph, "boxes", place, size)
        return [planes, place.target, place.offset, back]

    return evaluate(write, {"frame": frame, "boxes": np.array(boxes, np.float32)})


@pytest.mark.parametrize("fill", [(114, 114, 114), (10, 20, 30)])
@pytest.mark.parametrize(
    ("placement", "target", "offset"),
    [("centre", (64, 48), (0, 8)), ("corner", (64, 48), (0, 0)), ("stretch", (64, 64), (0, 0))],
)
def test_the_frame_lies_where_the_placement_says(evaluate, placement, target, offset, fill):
    rng = np.random.default_rng(0)
    frame = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (80, 60))
    spec = spec_of(placement, fill)
    planes, found, corner, _ = seen(evaluate, frame, spec)
    assert tuple(found) == target
    assert tuple(corner) == offset
    expected = np.full((64, 64, 3), fill, np.uint8)
    x, y = offset
    expected[y : y + target[1], x : x + target[0]] = cv2.resize(frame, target)
    difference = planes[0].transpose(1, 2, 0)[..., ::-1] - expected
    assert np.abs(difference).max() <= 1


def test_large_frames_are_averaged(evaluate):
    frame = np.zeros((513, 512, 3), np.uint8)
    frame[:, ::2] = 255
    planes, target, _, _ = seen(evaluate, frame, spec_of("centre"))
    assert tuple(target) == (64, 64)
    assert np.abs(planes - 127.5).max() <= 1


def test_an_input_of_free_size_is_no_larger_than_needed(evaluate):
    planes, _, _, _ = seen(
        evaluate, np.zeros((30, 120, 3), np.uint8), spec_of("centre"), free_size=True
    )
    assert planes.shape == (1, 3, 16, 64)


@pytest.mark.parametrize("placement", ["centre", "corner", "stretch"])
@pytest.mark.parametrize("shape", [(60, 80), (200, 90), (7, 500)])
def test_boxes_come_back_where_they_were(evaluate, placement, shape):
    height, width = shape
    box = np.array([0.2 * width, 0.1 * height, 0.7 * width, 0.8 * height])
    frame = np.zeros((*shape, 3), np.uint8)
    _, target, offset, _ = seen(evaluate, frame, spec_of(placement))
    scale = np.tile(target / [width, height], 2)
    in_input = (box + 0.5) * scale + np.tile(offset, 2) - 0.5
    *_, back = seen(evaluate, frame, spec_of(placement), boxes=[in_input, [-99, -99, 999, 999]])
    # A rest of less than a block may be left out.
    assert np.abs(back[0] - box).max() <= 0.02 * max(shape)
    assert back[1] == pytest.approx([-0.5, -0.5, width - 0.5, height - 0.5])
