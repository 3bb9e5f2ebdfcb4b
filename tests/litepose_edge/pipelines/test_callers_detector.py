"""A detector of one's own: what it may give, and that one bad box loses no other person."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from litepose_edge import Estimator
from litepose_edge.errors import InvalidBoxError
from litepose_edge.pipelines.callers_detector import CallersDetector

FRAME = np.zeros((240, 320, 3), np.uint8)
GOOD, OTHER = [40.0, 20.0, 200.0, 220.0], [50.0, 30.0, 120.0, 220.0]


class Tensor:
    """As PyTorch's behaves: no array until it is detached and on the CPU."""

    def __init__(self, values):
        self.values = np.array(values, np.float32)

    def detach(self):
        return self

    def cpu(self):
        return self.values

    def __array__(self, *args, **kwargs):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def found(given, min_score=0.0):
    detect = CallersDetector(lambda frame: given)
    boxes, scores = detect(FRAME, min_score)
    assert boxes.dtype == scores.dtype == np.float32
    return boxes.tolist(), scores.tolist(), detect.dropped


@pytest.mark.parametrize(
    "given",
    [[GOOD], (GOOD,), np.array([GOOD]), np.array([GOOD], np.float32), Tensor([GOOD]),
     np.array([GOOD]).astype(int), np.ma.array([GOOD])],
)  # fmt: skip
def test_boxes_come_back_as_they_were_given(given):
    assert found(given) == ([GOOD], [1.0], 0)


@pytest.mark.parametrize("given", [[], (), np.zeros((0, 4)), ([], []), (np.zeros((0, 4)), [])])
def test_no_boxes_are_no_boxes(given):
    assert found(given) == ([], [], 0)


@pytest.mark.parametrize("whole", [[0, 0, 320, 240], [-0.5, -0.5, 319.5, 239.5]])
def test_the_whole_frame_is_not_clipped_however_its_edges_are_counted(whole):
    assert found([whole])[0] == [whole]


@pytest.mark.parametrize("pair", [tuple, list])
@pytest.mark.parametrize("kind", [list, np.array, Tensor])
def test_boxes_with_scores_come_back_best_first(pair, kind):
    given = pair([kind([GOOD, OTHER]), kind([0.25, 0.75])])
    assert found(given) == ([OTHER, GOOD], [0.75, 0.25], 0)
    assert found(given, 0.5) == ([OTHER], [0.75], 0)


def test_two_boxes_are_not_boxes_and_scores():
    assert found((GOOD, OTHER)) == ([GOOD, OTHER], [1.0, 1.0], 0)


@pytest.mark.parametrize(
    "bad",
    [[10, 10, 10, 60], [60, 10, 10, 60], [330, 10, 380, 60], [-50, 10, -20, 60], [1, 2, np.nan, 9],
     [1, 2, np.inf, 9], [-np.inf, 2, 9, 9], [1e39, 0, 2e39, 9]],
)  # fmt: skip
def test_a_bad_box_is_dropped_and_counted(bad):
    assert found([GOOD, bad]) == ([GOOD], [1.0], 1)
    assert found(([bad, GOOD], [0.9, 0.5])) == ([GOOD], [0.5], 1)


def test_a_box_of_no_known_score_is_dropped_and_counted():
    assert found(([GOOD, OTHER], [np.nan, 0.5])) == ([OTHER], [0.5], 1)


def test_a_box_beyond_the_frame_is_clipped():
    assert found([[-30, -20, 400, 1e30]])[0] == [[-0.5, -0.5, 320, 240]]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "real numbers"),
        ("boxes", "real numbers"),
        ([GOOD[:3]], "shape"),
        ([[*GOOD, 0.9]], "shape"),
        (([GOOD], [0.5, 0.5]), "1 scores"),
        (([GOOD], [87.0]), "scores in"),
        (([GOOD], [-3.0]), "scores in"),
        (np.array([GOOD]) * 1j, "real numbers"),
        (np.ma.masked_greater([GOOD], 100), "masked"),
    ],
)
def test_what_is_no_box_is_refused_and_says_where_it_came_from(given, says):
    with pytest.raises(InvalidBoxError, match=f"detector function.*{says}"):
        found(given)


def test_one_bad_box_ends_no_stream(caplog):
    calls = []

    def detect(frame):
        calls.append(len(calls))
        return [GOOD, [10, 10, 10, 60]] if len(calls) % 2 else [GOOD]

    with (
        caplog.at_level(logging.WARNING),
        Estimator(detector=detect, min_score=0.0, threads=2) as estimator,
    ):
        assert len(list(estimator.stream([FRAME] * 6))) == 6
        estimator.predict(FRAME)
        assert estimator.dropped_boxes == 4
    assert len(caplog.records) == 1


class NoArray:
    def __array__(self, *args, **kwargs):
        raise OSError("no array")


@pytest.mark.parametrize(
    "given",
    [
        None, "abcd", {"boxes": [GOOD]}, NoArray(), 5, b"1234", [[0, 0, 10**400, 9]],
        np.array([GOOD], complex), np.ma.masked_array(np.tile(GOOD, (40, 1)), True),
        np.zeros((200, 4), "M8[s]"),
    ],
)  # fmt: skip
def test_what_is_no_boxes_at_all_is_one_line(given):
    with pytest.raises(InvalidBoxError, match="from the detector function") as error:
        found(given)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_tensors_of_pytorch_are_taken_in_half_precision_and_refused_without_values():
    torch = pytest.importorskip("torch")
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.int64):
        boxes = torch.tensor([[40, 20, 200, 220]], dtype=dtype)
        assert found((boxes, torch.tensor([0.5], dtype=torch.bfloat16))) == ([GOOD], [0.5], 0)
    for odd in (torch.zeros(1, 4, device="meta"), torch.ones(1, 4).to_sparse()):
        with pytest.raises(InvalidBoxError, match="expected numbers"):
            found(odd)
