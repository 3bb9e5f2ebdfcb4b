"""Assignment of cells to people, and the detector's losses."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.models.architectures.persondet import cell_centres  # noqa: E402
from litepose_export.training.detection import assignment  # noqa: E402
from litepose_export.training.detection.assignment import Truth  # noqa: E402


def truth(boxes, weights=None, ignored=((0, 0, 0, 0),)):
    boxes = torch.tensor([boxes], dtype=torch.float32)
    weights = torch.ones(boxes.shape[:2]) if weights is None else torch.tensor([weights])
    return Truth(boxes, weights, torch.tensor([ignored], dtype=torch.float32))


CENTRES, STRIDES = cell_centres(64, 64)


def test_the_best_box_of_a_person_is_asked_for_its_overlap():
    there = truth([[8.0, 8, 40, 40]])
    boxes = torch.zeros(1, len(CENTRES), 4)
    inside = ((CENTRES > 8) & (CENTRES < 40)).all(dim=1).nonzero().flatten()
    boxes[0, inside[0]] = torch.tensor([8.0, 8, 40, 40])
    boxes[0, inside[1]] = torch.tensor([8.0, 8, 40, 32])
    scores, matched, weights = assignment.assign(
        torch.zeros(1, len(CENTRES)), boxes, CENTRES, there
    )
    assert scores[0, inside[0]] == pytest.approx(1)
    assert 0 < scores[0, inside[1]] < 0.75
    assert (scores > 0).sum() == 2
    assert matched[0, inside[0]].tolist() == [8, 8, 40, 40]
    assert weights[0, inside[0]] == 1


def test_cells_outside_every_person_are_asked_for_nothing():
    there = truth([[8.0, 8, 24, 24]])
    boxes = there.boxes[:, :1].expand(1, len(CENTRES), 4)
    scores, _, _ = assignment.assign(torch.zeros(1, len(CENTRES)), boxes, CENTRES, there)
    outside = ~((CENTRES > 8) & (CENTRES < 24)).all(dim=1)
    assert scores[0, outside].max() == 0
    assert (scores > 0).sum() <= assignment.TOP_CELLS


def test_padding_is_no_person():
    there = truth([[8.0, 8, 24, 24], [0, 0, 0, 0]], [1.0, 0.0])
    boxes = there.boxes[:, :1].expand(1, len(CENTRES), 4)
    _, matched, _ = assignment.assign(torch.zeros(1, len(CENTRES)), boxes, CENTRES, there)
    assert (matched[0] == there.boxes[0, 0]).all()


def test_a_perfect_detector_loses_less_than_a_blind_one():
    there = truth([[8.0, 8, 40, 56]])
    boxes = there.boxes.expand(1, len(CENTRES), 4)
    sure, blind = torch.full((1, len(CENTRES)), -12.0), torch.full((1, len(CENTRES)), -12.0)
    scores, _, _ = assignment.assign(sure, boxes, CENTRES, there)
    sure[scores > 0] = 6
    assert assignment.detection_loss(sure, boxes, CENTRES, there) < assignment.detection_loss(
        blind, boxes, CENTRES, there
    )


def test_a_false_positive_in_an_ignored_place_costs_nothing():
    logits = torch.full((1, len(CENTRES)), -9.0)
    boxes = torch.zeros(1, len(CENTRES), 4)
    background = truth([[0.0, 0, 0, 0]], [0.0], [[16.0, 16, 48, 48]])
    quiet = assignment.detection_loss(logits, boxes, CENTRES, background)
    logits[0, ((CENTRES > 16) & (CENTRES < 48)).all(dim=1)] = 5
    assert assignment.detection_loss(logits, boxes, CENTRES, background) <= quiet
    logits[0, 0] = 5
    assert assignment.detection_loss(logits, boxes, CENTRES, background) > 10 * quiet


def test_generalised_iou_is_one_for_equal_boxes_and_negative_for_separate_ones():
    a = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    b = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    torch.testing.assert_close(assignment.generalised_iou(a, b), torch.tensor([1.0, -1 / 3]))
