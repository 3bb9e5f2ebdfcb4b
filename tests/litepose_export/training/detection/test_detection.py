"""Scenes, assignment and losses of the detector."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.models.architectures.persondet import cell_centres  # noqa: E402
from litepose_export.training.data.people import read_photographs  # noqa: E402
from litepose_export.training.detection import assignment, hard_negatives, scenes, textures  # noqa: E402
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


def test_padding_is_nobody():
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


def test_an_alarm_in_an_ignored_place_costs_nothing():
    logits = torch.full((1, len(CENTRES)), -9.0)
    boxes = torch.zeros(1, len(CENTRES), 4)
    nobody = truth([[0.0, 0, 0, 0]], [0.0], [[16.0, 16, 48, 48]])
    quiet = assignment.detection_loss(logits, boxes, CENTRES, nobody)
    logits[0, ((CENTRES > 16) & (CENTRES < 48)).all(dim=1)] = 5
    assert assignment.detection_loss(logits, boxes, CENTRES, nobody) <= quiet
    logits[0, 0] = 5
    assert assignment.detection_loss(logits, boxes, CENTRES, nobody) > 10 * quiet


def test_generalised_iou_is_one_for_twins_and_negative_for_strangers():
    a = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    b = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    torch.testing.assert_close(assignment.generalised_iou(a, b), torch.tensor([1.0, -1 / 3]))


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


def test_drawn_pictures_are_of_many_kinds_and_always_the_right_shape():
    rng = np.random.default_rng(0)
    pictures = [textures.draw(rng, Size(70, 50)) for _ in range(60)]
    assert all(p.shape == (50, 70, 3) and p.dtype == np.uint8 for p in pictures)
    spreads = [float(p.std()) for p in pictures]
    assert min(spreads) < 1 < 30 < max(spreads)


def test_a_tile_touches_nobody():
    rng = np.random.default_rng(1)
    image = np.zeros((100, 120, 3), np.uint8)
    people = np.array([[40, 20, 70, 90]], np.float32)
    tiles = [hard_negatives.random_tile(rng, [image], [people]) for _ in range(50)]
    found = [t.box_xywh for t in tiles if t is not None]
    assert len(found) > 20
    for x, y, w, h in found:
        assert x + w <= 40 or x >= 70 or y + h <= 20 or y >= 90


def test_where_somebody_fills_the_picture_there_is_no_tile():
    rng = np.random.default_rng(1)
    everywhere = np.array([[0, 0, 120, 100]], np.float32)
    assert (
        hard_negatives.random_tile(rng, [np.zeros((100, 120, 3), np.uint8)], [everywhere]) is None
    )


def test_mining_finds_the_tiles_that_fool_the_network():
    """A stand-in that believes in brightness: the bright photograph's tiles must come back."""

    class Fooled(torch.nn.Module):
        def forward(self, x):
            level = x.mean(dim=(1, 2, 3), keepdim=True).expand(-1, 5, 7, 7)
            return (level, level, level)

    images = [np.full((80, 80, 3), value, np.uint8) for value in (30, 40, 220, 50)]
    nobody = [np.zeros((0, 4), np.float32)] * 4
    rng = np.random.default_rng(2)
    tiles = hard_negatives.mine(Fooled(), images, nobody, rng, lambda: None, tries=160, share=0.15)
    assert len(tiles) == 24
    assert {tile.photograph for tile in tiles} == {2}


def test_hard_tiles_are_shown_again(photo_dataset):
    bright = np.full((64, 64, 3), 250, np.uint8)
    images, labels = [bright], [scenes._nobody()]
    options = scenes.SceneOptions(empty=1.0, drawn=0.0, hard=1.0)
    tile = hard_negatives.Tile(0, (5.0, 5.0, 30.0, 30.0))
    sampler = scenes.SceneSampler(images, labels, options, seed=0, hard=[tile])
    batch = sampler.draw(4, Size(32, 32), (1.0,))
    assert batch.truth.weights.sum() == 0
    # One bright, even place: each scene has one colour, whatever the colours' disturbance.
    assert batch.images.float().std(dim=(1, 2)).max() < 5
