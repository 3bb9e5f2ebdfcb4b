"""Scenes, assignment and losses of the detector."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.coco import read_coco  # noqa: E402
from litepose_export.detection import assign, scenes  # noqa: E402
from litepose_export.detection.assign import Truth  # noqa: E402
from litepose_export.models.persondet import cell_centres  # noqa: E402
from litepose_export.training.data import read_photographs  # noqa: E402


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
    scores, matched, weights = assign.assign(torch.zeros(1, len(CENTRES)), boxes, CENTRES, there)
    assert scores[0, inside[0]] == pytest.approx(1)
    assert 0 < scores[0, inside[1]] < 0.75
    assert (scores > 0).sum() == 2
    assert matched[0, inside[0]].tolist() == [8, 8, 40, 40]
    assert weights[0, inside[0]] == 1


def test_cells_outside_every_person_are_asked_for_nothing():
    there = truth([[8.0, 8, 24, 24]])
    boxes = there.boxes[:, :1].expand(1, len(CENTRES), 4)
    scores, _, _ = assign.assign(torch.zeros(1, len(CENTRES)), boxes, CENTRES, there)
    outside = ~((CENTRES > 8) & (CENTRES < 24)).all(dim=1)
    assert scores[0, outside].max() == 0
    assert (scores > 0).sum() <= assign.TOP_CELLS


def test_padding_is_nobody():
    there = truth([[8.0, 8, 24, 24], [0, 0, 0, 0]], [1.0, 0.0])
    boxes = there.boxes[:, :1].expand(1, len(CENTRES), 4)
    _, matched, _ = assign.assign(torch.zeros(1, len(CENTRES)), boxes, CENTRES, there)
    assert (matched[0] == there.boxes[0, 0]).all()


def test_a_perfect_detector_loses_less_than_a_blind_one():
    there = truth([[8.0, 8, 40, 56]])
    boxes = there.boxes.expand(1, len(CENTRES), 4)
    sure, blind = torch.full((1, len(CENTRES)), -12.0), torch.full((1, len(CENTRES)), -12.0)
    scores, _, _ = assign.assign(sure, boxes, CENTRES, there)
    sure[scores > 0] = 6
    assert assign.detection_loss(sure, boxes, CENTRES, there) < assign.detection_loss(
        blind, boxes, CENTRES, there
    )


def test_an_alarm_in_an_ignored_place_costs_nothing():
    logits = torch.full((1, len(CENTRES)), -9.0)
    boxes = torch.zeros(1, len(CENTRES), 4)
    nobody = truth([[0.0, 0, 0, 0]], [0.0], [[16.0, 16, 48, 48]])
    quiet = assign.detection_loss(logits, boxes, CENTRES, nobody)
    logits[0, ((CENTRES > 16) & (CENTRES < 48)).all(dim=1)] = 5
    assert assign.detection_loss(logits, boxes, CENTRES, nobody) <= quiet
    logits[0, 0] = 5
    assert assign.detection_loss(logits, boxes, CENTRES, nobody) > 10 * quiet


def test_generalised_iou_is_one_for_twins_and_negative_for_strangers():
    a = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    b = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    torch.testing.assert_close(assign.generalised_iou(a, b), torch.tensor([1.0, -1 / 3]))


@pytest.fixture(scope="module")
def sampler(photo_dataset):
    dataset = read_coco(photo_dataset)
    photographs = read_photographs(image.path for image in dataset)
    nobody_taught = [np.zeros((0, 5), np.float32)] * len(dataset)
    labels = scenes.label(dataset, nobody_taught)
    return scenes.SceneSampler(photographs, labels, scenes.SceneOptions(blur=0), seed=2)


def test_scenes_hold_their_people_inside(sampler):
    batch = sampler.draw(24, Size(96, 96), (1.0,))
    assert batch.images.shape == (24, 96, 96, 3)
    boxes = batch.truth.boxes[batch.truth.weights > 0]
    assert len(boxes) > 15
    assert boxes.min() >= 0
    assert boxes.max() <= 96
    assert ((boxes[:, 2:] - boxes[:, :2]) >= scenes.MIN_SIDE_PX).all()


def test_a_box_moves_with_its_figure(sampler):
    """The drawn limbs are bright: the inside of a box is brighter than the ground around."""
    batch = sampler.draw(24, Size(160, 160), (1.0,))
    brighter = total = 0
    for image, boxes, weights in zip(
        batch.images, batch.truth.boxes, batch.truth.weights, strict=True
    ):
        for x1, y1, x2, y2 in boxes[weights > 0].int().tolist():
            if x2 - x1 < 25 or y2 - y1 < 25:
                continue
            inside = image[y1:y2, x1:x2].float().std()
            total += 1
            brighter += inside > 20
    assert total > 8
    assert brighter / total > 0.8


def test_some_scenes_are_empty(sampler):
    batch = sampler.draw(80, Size(48, 48), (1.0,))
    empty = (batch.truth.weights.sum(dim=1) == 0).float().mean()
    assert 0.03 < empty < 0.5


def test_a_teachers_people_count_half_and_its_doubts_are_ignored(photo_dataset):
    dataset = read_coco(photo_dataset)
    own = dataset.images[0].boxes_xyxy[0]
    taught = np.array(
        [[*own, 0.9], [500, 500, 600, 700, 0.8], [800, 500, 900, 700, 0.35], [1, 1, 9, 9, 0.1]],
        np.float32,
    )
    nobody = np.zeros((0, 5), np.float32)
    labels = scenes.label(dataset, [taught] + [nobody] * (len(dataset) - 1))[0]
    assert labels.weights.tolist() == [1, 0.5]
    np.testing.assert_array_equal(labels.boxes[1], taught[1, :4])
    np.testing.assert_array_equal(labels.ignored, taught[2:3, :4])
