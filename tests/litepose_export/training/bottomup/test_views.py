"""Views of whole photographs for bottom-up training: where people land, what counts."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from litepose_edge import COCO_17, geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.bottomup.views import (  # noqa: E402
    COUNTED_RADIUS_PX,
    ViewOptions,
    ViewSampler,
    counted_pixels,
    has_keypoints,
    load_photographs,
    placed,
    random_view,
)
from training_samples import PLAIN_VIEWS  # noqa: E402

FLIP = list(COCO_17.flip_permutation)


@pytest.fixture(scope="module")
def photographs(photo_dataset):
    return load_photographs([read_coco(photo_dataset)])


@given(st.integers(0, 10_000), st.sampled_from([(64, 96), (128, 128), (192, 128), (256, 320)]))
@settings(max_examples=60, deadline=None)
def test_a_view_shows_a_person_at_a_useful_size(seed, side):
    rng = np.random.default_rng(seed)
    image, size = Size(640, 480), Size(*side)
    options = ViewOptions(whole=0)
    corner = rng.uniform(0, 400, 2)
    box = np.array([[*corner, *corner + rng.uniform(5, 300, 2)]], np.float32)
    to_input, mirrored = random_view(rng, image, box, size, options)
    scale = np.sqrt(abs(np.linalg.det(to_input[:, :2])))
    length = scale * max(box[0, 2] - box[0, 0], box[0, 3] - box[0, 1])
    room = options.largest * min(side)
    # The box's edges are float32.
    assert options.smallest_px - 1e-3 <= length <= room + 1e-3
    usual = min(options.short_side, options.span * min(side)) / 480
    if options.smallest_px < length - 1e-3 and length < room - 1e-3:
        assert options.scale[0] * usual <= scale * (1 + 1e-6)
        assert scale <= options.scale[1] * usual * (1 + 1e-6)
    middle = geometry.transform(to_input, ((box[:, :2] + box[:, 2:]) / 2).astype(np.float64))[0]
    beside = np.abs(middle - [(side[0] - 1) / 2, (side[1] - 1) / 2])
    assert (beside <= options.shift * np.array(side) + 1e-6).all()
    assert mirrored == (np.linalg.det(to_input[:, :2]) < 0)


def test_a_still_view_is_what_the_runtime_letterboxes(photographs):
    size = Size(96, 96)
    batch = ViewSampler(photographs, PLAIN_VIEWS, seed=0).draw(6, size, (1.0,))
    for points, labelled in zip(batch.points.numpy(), batch.labelled.numpy(), strict=True):
        expected = [
            geometry.transform(
                geometry.letterbox_affine(Size.of(image), size), labels.keypoints[0, :, :2]
            )
            for image, labels in zip(photographs.images, photographs.labels, strict=True)
        ]
        assert labelled.all()
        assert any(np.allclose(points[0], truth, atol=1e-3) for truth in expected)


def test_points_stay_on_the_pixels_they_were_drawn_on(photographs):
    """Limbs are bright on a dark ground: a joint that moved away from them would be dark."""
    options = ViewOptions(colour=0, blur=0, smallest_px=60)
    batch = ViewSampler(photographs, options, seed=1).draw(40, Size(128, 128), (1.0,))
    brightness = []
    for crop, people, known in zip(batch.crops, batch.points, batch.labelled, strict=True):
        for x, y in people[known].round().int().tolist():
            if 2 <= x < 126 and 2 <= y < 126:
                brightness.append(int(crop[y - 1 : y + 2, x - 1 : x + 2].max()))
    assert len(brightness) > 400
    assert np.mean(np.array(brightness) > 90) > 0.97


def test_a_mirrored_view_trades_left_for_right(photographs):
    straight = ViewSampler(photographs, PLAIN_VIEWS, seed=3).draw(5, Size(96, 96), (1.0,))
    options = dataclasses.replace(PLAIN_VIEWS, flip=1)
    mirrored = ViewSampler(photographs, options, seed=3).draw(5, Size(96, 96), (1.0,))
    there = straight.points[:, :, FLIP]
    there[..., 0] = 95 - there[..., 0]
    torch.testing.assert_close(mirrored.points, there, atol=1e-3, rtol=0)


def test_a_file_without_people_has_no_share(photo_dataset, unlabelled_dataset):
    datasets = [read_coco(path) for path in (unlabelled_dataset, photo_dataset)]
    photographs = load_photographs(datasets)
    assert photographs.sources == 1
    batch = ViewSampler(photographs, ViewOptions(), seed=0).draw(4, Size(64, 64), (1.0,))
    assert len(batch.crops) == 4
    with pytest.raises(ExportError, match="nothing to train on"):
        load_photographs(datasets[:1])


def test_the_same_seed_draws_the_same_views(photographs):
    first, second = (
        ViewSampler(photographs, ViewOptions(), seed=5).draw(4, Size(64, 64), (1.0,))
        for _ in range(2)
    )
    assert torch.equal(first.crops, second.crops)
    assert torch.equal(first.points, second.points)


def test_people_without_a_joint_inside_are_left_out():
    inside, outside, unlabelled = np.zeros((3, 17, 3), np.float32)
    inside[4], outside[4], unlabelled[4] = (30, 20, 2), (300, 20, 2), (30, 20, 0)
    people = np.stack([inside, outside, unlabelled])
    kept = placed(people, np.eye(2, 3), Size(64, 64))
    np.testing.assert_array_equal(kept, [inside])


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_box_of_an_unlabelled_person_does_not_count(seed):
    rng = np.random.default_rng(seed)
    corner = rng.integers(-10, 70, 2)
    box = np.array([[*corner, *corner + rng.integers(8, 60, 2)]], np.float32)
    joint = rng.integers(0, 96, 2)
    people = np.zeros((1, 17, 3), np.float32)
    people[0, 3] = (*joint, 2)
    counted = counted_pixels(box, people, np.eye(2, 3), Size(96, 96))
    y, x = np.mgrid[:96, :96]
    apart = np.hypot(x - joint[0], y - joint[1])
    within = (x >= box[0, 0]) & (x <= box[0, 2]) & (y >= box[0, 1]) & (y <= box[0, 3])
    assert (counted[~within] == 1).all()
    assert (counted[apart <= COUNTED_RADIUS_PX - 1] == 1).all()
    assert (counted[within & (apart > COUNTED_RADIUS_PX + 1)] == 0).all()


def test_crowds_and_people_without_keypoints_are_masked(photo_dataset, tmp_path):
    document = json.loads(photo_dataset.read_text())
    extra = {"category_id": 1, "area": 900.0, "iscrowd": 0, "num_keypoints": 0}
    document["annotations"] += [
        {**extra, "id": 100 + i, "image_id": i, "bbox": [0, 0, 30, 30], "keypoints": [0] * 51}
        for i in range(1, 9)
    ]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(document))
    dataset = read_coco(path, photo_dataset.parent / "images")
    photographs = load_photographs([dataset])
    assert all(has_keypoints(labels).sum() == 1 for labels in photographs.labels)
    batch = ViewSampler(photographs, PLAIN_VIEWS, seed=0).draw(4, Size(240, 240), (1.0,))
    assert batch.points.shape[1] == 1
    # The 180x240 pictures lie in the middle of the view.
    assert (batch.counted[:, 2:28, 32:58] == 0).all()
    assert (batch.counted[:, 40:, 70:] == 1).all()
