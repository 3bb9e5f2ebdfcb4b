"""Training scenes of the detector."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.training.core.photographs import read_photographs  # noqa: E402
from litepose_export.training.detection import hard_negatives, scenes  # noqa: E402


@pytest.fixture(scope="module")
def sampler(photo_dataset):
    dataset = read_coco(photo_dataset)
    photographs = read_photographs(image.path for image in dataset)
    no_pseudo_labels = [np.zeros((0, 5), np.float32)] * len(dataset)
    labels = scenes.merge_labels(dataset, no_pseudo_labels)
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


def test_pseudo_labels_count_half_and_unsure_ones_are_ignored(photo_dataset):
    dataset = read_coco(photo_dataset)
    own = dataset.images[0].boxes_xyxy[0]
    pseudo_labels = np.array(
        [[*own, 0.9], [500, 500, 600, 700, 0.8], [800, 500, 900, 700, 0.35], [1, 1, 9, 9, 0.1]],
        np.float32,
    )
    background = np.zeros((0, 5), np.float32)
    labels = scenes.merge_labels(dataset, [pseudo_labels] + [background] * (len(dataset) - 1))[0]
    assert labels.weights.tolist() == [1, 0.5]
    np.testing.assert_array_equal(labels.boxes[1], pseudo_labels[1, :4])
    np.testing.assert_array_equal(labels.ignored, pseudo_labels[2:3, :4])


def test_hard_negatives_are_shown_again(photo_dataset):
    bright = np.full((64, 64, 3), 250, np.uint8)
    images, labels = [bright], [scenes.no_people()]
    options = scenes.SceneOptions(empty=1.0, drawn=0.0, hard=1.0)
    tile = hard_negatives.Tile(0, (5.0, 5.0, 30.0, 30.0))
    sampler = scenes.SceneSampler(images, labels, options, seed=0, hard_negatives=[tile])
    batch = sampler.draw(4, Size(32, 32), (1.0,))
    assert batch.truth.weights.sum() == 0
    # One bright, even place: each scene has one colour, whatever the colours' disturbance.
    assert batch.images.float().std(dim=(1, 2)).max() < 5


def test_each_source_has_its_share_of_the_scenes():
    """Of a white and a black photograph in unequal sources the shares decide, not the counts."""
    white = np.full((60, 60, 3), 255, np.uint8)
    images = [white, *[np.zeros_like(white)] * 9]
    labels = [scenes.no_people()] * len(images)
    options = scenes.SceneOptions(empty=0, mosaic=0, zoom=(1.0, 1.0), blur=0)
    sampler = scenes.SceneSampler(images, labels, options, seed=1, sources=(1, 9))

    def bright(shares: tuple[float, ...]) -> float:
        drawn = sampler.draw(200, Size(32, 32), shares).images.float()
        return float((drawn.mean(dim=(1, 2, 3)) > 90).float().mean())

    assert bright((1.0, 0.0)) == 1
    assert bright((0.0, 1.0)) == 0
    assert 0.4 < bright((0.5, 0.5)) < 0.6
