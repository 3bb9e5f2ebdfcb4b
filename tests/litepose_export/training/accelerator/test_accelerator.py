"""Batches made on the device that trains: photographs, teacher, targets, networks side by side."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge import geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.preprocess import warp  # noqa: E402
from litepose_export.cli.app import run  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.accelerator.photograph_store import Atlas  # noqa: E402
from litepose_export.training.accelerator.pixel_augmentation import Disturber  # noqa: E402
from litepose_export.training.accelerator.sampler import Plans, ResidentOptions, ResidentSampler  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.core.pose_loss import MEAN, STD  # noqa: E402
from litepose_export.training.core.schedule import Schedule  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_geometry import Planner  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.data.person_masks import Cutouts  # noqa: E402
from litepose_export.training.runs import accelerator, runner  # noqa: E402

SMALL, LARGE = Size(192, 256), Size(256, 320)
NOTHING = Augmentation(
    rotate=0, scale=(1, 1), shift=0, box_jitter=0, half_body=0, cutout=0, blur=0, colour=0, nobody=0
)
SILENT = runner.Display(lambda what, total: lambda: None, lambda p: None, lambda m: None)


class WhereItIsWhite(nn.Module):
    """A teacher that sees every joint wherever the picture is white."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        white = torch.nn.functional.avg_pool2d((images.amin(1, keepdim=True) > 2).float(), 4)
        return white.expand(-1, 17, -1, -1)


def with_white_noses(people):
    """Everybody black but for a white disc on the nose, one person a photograph."""
    images = []
    for person, number in enumerate(people.image_index):
        image = np.zeros_like(people.images[number])
        x, y = people.keypoints[person, 0, :2]
        height = people.boxes_xyxy[person, 3] - people.boxes_xyxy[person, 1]
        cv2.circle(image, (round(x), round(y)), round(0.06 * height), (255, 255, 255), -1)
        images.append(image)
    return dataclasses.replace(people, images=tuple(images), image_index=np.arange(len(people)))


@pytest.fixture(scope="module")
def people(photo_dataset):
    return load_people([read_coco(photo_dataset)])


def sampler(people, teacher=None, augmentation=NOTHING, cutouts=None, **options):
    options = {"sizes": (SMALL, LARGE), "repeats": 1} | options
    return ResidentSampler(
        people, teacher, ResidentOptions(augmentation=augmentation, **options), cutouts
    )


def pixels(images):
    """RGB bytes of normalised images, as they were."""
    mean, std = (torch.tensor(t)[:, None, None] for t in (MEAN, STD))
    return (images * std + mean).permute(0, 2, 3, 1).numpy()


def test_an_atlas_cuts_views_as_the_runtime_does():
    rng = np.random.default_rng(0)
    # Smooth pictures: on noise a rounded coordinate changes a pixel by a lot.
    pictures = [
        cv2.GaussianBlur(rng.integers(0, 256, (h, w, 3), np.uint8), (0, 0), 4)
        for h, w in ((300, 240), (90, 120), (201, 333))
    ]
    views = []
    for zoom in (0.5, 1.0, 2.2, 4.5):  # from two image pixels a pixel on, blocks are averaged
        turn = np.deg2rad(20)
        linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        views += [np.column_stack([linear, [-10.0, 5.0]])] * 3
    numbers = torch.arange(3).repeat(4)
    cut = Atlas(pictures, "cpu").sample(numbers, np.array(views), Size(64, 96))
    for number, view, found in zip(numbers.tolist(), views, cut, strict=True):
        expected = warp(pictures[number], geometry.invert(view), Size(64, 96))[..., ::-1]
        difference = np.abs(found.permute(1, 2, 0).numpy() - expected)
        assert difference.mean() < 1.0
        assert np.quantile(difference, 0.99) < 12  # whose blocks begin elsewhere, at the edge


def test_an_atlas_tells_whose_a_pixel_is():
    picture = np.full((40, 40, 3), 100, np.uint8)
    marks = np.zeros((40, 40), np.uint8)
    marks[10:20, 5:15], marks[30:, 30:] = 200, 3
    atlas = Atlas([picture], "cpu", [marks])
    whole = np.array([[[1.0, 0, 0], [0, 1, 0]]])
    for number in (200, 3):
        found = atlas.sample(
            torch.zeros(1, dtype=torch.int64), whole, Size(40, 40), as_byte(number)
        )
        np.testing.assert_array_equal(found[0, 3].numpy() == 1, marks == number)
        np.testing.assert_array_equal(found[0, :3].numpy(), 100)
    nobody = atlas.sample(torch.zeros(1, dtype=torch.int64), whole, Size(40, 40), as_byte(0))
    assert nobody[0, 3].max() == 0


def as_byte(number):
    return torch.tensor([number], dtype=torch.uint8)


def test_targets_of_every_size_lie_where_the_labels_are(people):
    source = sampler(people)
    plan = next(iter(Plans(people, NOTHING, 1, 6, SMALL, (1.0,))))
    (batch,) = source.draw(plan)
    assert [tuple(t.shape) for t in batch.images] == [(6, 3, 256, 192), (6, 3, 320, 256)]
    assert batch.weights.min() == 1
    for size, targets in zip((SMALL, LARGE), batch.targets, strict=True):
        scale = 320 / 256 if size == LARGE else 1.0
        shift = (
            (256 - 240) / 2 if size == LARGE else 0.0
        )  # the larger view shows more on both sides
        peaks = targets.flatten(2).argmax(2)
        cells = torch.stack([peaks % (size.width // 8), peaks // (size.width // 8)], -1)
        expected = ((plan.points + 0.5) * scale + torch.tensor([shift, 0.0])) / 8 - 0.5
        assert (cells - expected).abs().max() <= 0.5 + 1e-3
    small, large = (pixels(t) for t in batch.images)
    middle = np.stack([cv2.resize(p[:, 8:-8], (192, 256)) for p in large])
    assert np.abs(middle - small).mean() < 6  # the same views, resampled


def test_the_teacher_fills_in_what_nobody_labelled(people):
    unseen = people.keypoints.copy()
    unseen[:, 1:5, 2] = 0
    strange = with_white_noses(dataclasses.replace(people, keypoints=unseen))
    turned = dataclasses.replace(NOTHING, rotate=1.0, scale=(0.8, 1.2))
    source = sampler(strange, WhereItIsWhite(), turned, teacher_share=0.4)
    plan = next(iter(Plans(strange, turned, 1, 8, SMALL, (1.0,))))
    assert plan.mirrored.unique().tolist() == [False, True]
    (batch,) = source.draw(plan)
    for size, targets in zip((SMALL, LARGE), batch.targets, strict=True):
        scale, margin = (1.25, 8.0) if size == LARGE else (1.0, 0.0)
        # Of the noses, which are where the teacher sees everything.
        expected = ((plan.points[:, 0] + 0.5) * scale + torch.tensor([margin, 0.0])) / 8 - 0.5
        for joint in (1, 4):
            assert not plan.labelled[:, joint].any()
            seen = targets[:, joint]
            mass = seen.sum((1, 2))
            rows, columns = (torch.arange(n) for n in seen.shape[1:])
            x = (seen.sum(1) * columns).sum(1) / mass
            y = (seen.sum(2) * rows).sum(1) / mass
            assert (torch.stack([x, y], 1) - expected).abs().max() < 0.35
            assert seen.amax((1, 2)).min() > 0.6
        shoulders = targets[:, 5:7]
        there = shoulders.amax((2, 3))[plan.labelled[:, 5:7]]
        assert there.min() > 0.4
        assert there.max() < 0.8  # the labels' share; the teacher's is elsewhere
    assert set(batch.weights.unique().tolist()) == {0.5, 1.0}


def test_people_whom_nobody_labelled_come_along_as_a_source_of_their_own(photo_dataset, tmp_path):
    document = json.loads(photo_dataset.read_text())
    for person in document["annotations"][:3]:
        person["keypoints"], person["num_keypoints"] = [0] * 51, 0
    path = tmp_path / "some.json"
    path.write_text(json.dumps(document))
    datasets = [dataclasses.replace(read_coco(path, photo_dataset.parent / "images"))]
    assert len(load_people(datasets)) == 5
    everybody = load_people(datasets, unlabelled_side_px=24)
    np.testing.assert_array_equal(np.bincount(everybody.source), [5, 3])
    assert len(load_people(datasets, unlabelled_side_px=1e4)) == 5
    source = sampler(everybody, WhereItIsWhite())
    plan = next(iter(Plans(everybody, NOTHING, 1, 8, SMALL, (0.0, 1.0))))
    (batch,) = source.draw(plan)
    assert batch.weights.max() == 0.5


def test_a_view_of_nobody_says_so_whatever_the_teacher_sees(people):
    away = dataclasses.replace(NOTHING, nobody=1.0)
    # People in a corner of a large photograph leave room for views without them.
    images = tuple(
        cv2.copyMakeBorder(i, 0, 900, 0, 900, cv2.BORDER_CONSTANT) for i in people.images
    )
    roomy = dataclasses.replace(people, images=images)
    plan = next(iter(Plans(roomy, away, 1, 8, SMALL, (1.0,))))
    assert plan.nobody.any()
    (batch,) = sampler(roomy, WhereItIsWhite(), away).draw(plan)
    for targets in batch.targets:
        assert targets[plan.nobody].max() == 0
    assert batch.weights[plan.nobody].min() == 1


def test_a_person_stands_elsewhere_outlined(people):
    maps = tuple(np.zeros(image.shape[:2], np.uint8) for image in people.images)
    for person, number in enumerate(people.image_index):
        x1, y1, x2, y2 = people.boxes_xyxy[person].astype(int)
        maps[number][y1:y2, x1:x2] = 7
    # Everybody is white on black in place of the photographs, scenes are grey.
    images = tuple(np.where(m[..., None] == 7, 255, 60).astype(np.uint8).repeat(3, 2) for m in maps)
    cutouts = Cutouts(maps, np.full(len(people), 7, np.uint8))
    bold = dataclasses.replace(people, images=images)
    options = dataclasses.replace(NOTHING, elsewhere=1.0)
    plan = next(iter(Plans(bold, options, 1, 6, SMALL, (1.0,), cutouts.numbers)))
    assert len(plan.scenes) == 6
    (batch,) = sampler(bold, None, options, cutouts).draw(plan)
    shown = pixels(batch.images[0])
    alone = Atlas(images, "cpu", maps).sample(plan.numbers, plan.to_image, SMALL, plan.whose)
    inside = alone[:, 3].numpy() == 1
    assert inside.mean() > 0.2
    np.testing.assert_allclose(shown[inside], 255, atol=0.5)
    scene = Atlas(images, "cpu").sample(plan.scenes, plan.to_scene, SMALL)
    outside = alone[:, 3].numpy() == 0
    expected = scene.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(shown[outside], expected[outside], atol=0.5)


def test_repeats_share_their_targets_and_not_their_pixels(people):
    colourful = dataclasses.replace(NOTHING, colour=1.0)
    source = sampler(people, None, colourful, repeats=2)
    batches = source.batches(4, (1.0,))
    first, second = next(batches), next(batches)
    assert first.targets[0] is second.targets[0]
    assert not torch.equal(first.images[0], second.images[0])


def test_disturbances_are_those_asked_for():
    crops = torch.rand(8, 3, 64, 48) * 255
    assert torch.equal(Disturber(NOTHING, 1, "cpu")(crops), crops)
    covered = Disturber(dataclasses.replace(NOTHING, cutout=1.0), 1, "cpu")(crops)
    changed = (covered != crops).any(1).float().mean((1, 2))
    assert changed.min() > 0.01
    assert changed.max() < 0.2
    blurred = Disturber(dataclasses.replace(NOTHING, blur=0.5), 1, "cpu")(crops)
    rough = (blurred[..., 1:] - blurred[..., :-1]).abs().mean((1, 2, 3))
    assert (rough < 0.7 * rough.max()).sum() == 4
    tinted = dataclasses.replace(NOTHING, colour=1.0)
    once, again = (Disturber(tinted, 5, "cpu")(crops) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, Disturber(tinted, 6, "cpu")(crops))
    assert once.min() >= 0
    assert once.max() <= 255


def test_somebody_in_front_is_the_person_of_another_crop():
    crops = torch.arange(8.0)[:, None, None, None].expand(8, 3, 64, 48) * 30
    outlines = torch.zeros(8, 1, 64, 48)
    outlines[:, :, 20:40, 10:30] = 1
    front = dataclasses.replace(NOTHING, in_front=0.5)
    found = Disturber(front, 2, "cpu")(crops, outlines)
    changed = found != crops
    people_hidden = changed.flatten(1).any(1)
    assert people_hidden.sum() == 4
    for i in people_hidden.nonzero().flatten().tolist():
        assert found[i][changed[i]].unique().tolist() == [30.0 * ((i - 2) % 8)]
        assert changed[i, 0].sum() == 20 * 20


def test_planners_choose_by_share(people):
    two = dataclasses.replace(people, source=np.array([0] * 2 + [1] * 6))
    planner = Planner(two, NOTHING, np.random.default_rng(0))
    assert set(planner.choose(50, (1.0, 0.0))) == {0, 1}
    assert 0.6 < np.mean(planner.choose(500, (0.3, 0.7)) >= 2) < 0.8


def test_mixes_say_what_a_batch_is_made_of():
    schedule = Schedule(mixes=((0.6, (0.5, 0.4, 0.1)), (1.0, (0.75, 0.15, 0.1))))
    assert schedule.shares(0.2, 3) == pytest.approx((0.5, 0.4, 0.1))
    assert schedule.shares(0.9, 3) == pytest.approx((0.75, 0.15, 0.1))
    assert schedule.shares(1.0, 3) == pytest.approx((0.75, 0.15, 0.1))
    assert schedule.shares(0.2, 2) == pytest.approx((5 / 9, 4 / 9))


def test_siblings_learn_from_the_same_views_and_part_at_the_end(
    photo_dataset, tmp_path, monkeypatch
):
    small = dataclasses.replace(accelerator.RESIDENT_SCHEDULE, batch=4)
    monkeypatch.setattr(accelerator, "RESIDENT_SCHEDULE", small)
    before = tmp_path / "before.pt"
    torch.manual_seed(3)
    known = LRPose("m")
    torch.save({"average": known.state_dict()}, before)
    arguments = ["train", "lrpose-s+lrpose-m", "--resident", "--device", "cpu"]
    arguments += ["--data", str(photo_dataset), "--dev", str(photo_dataset), "--steps", "2"]
    arguments += ["--init", str(before), "--fresh", "lrpose-s.context"]
    arguments += ["--out", str(tmp_path / "run")]
    assert run(arguments) == 0
    for size in "sm":
        learned = initialization.read_average(LRPose(size), tmp_path / f"run/lrpose-{size}.pt")
        kernel = learned.trunk.stage_16[0].expand[0].weight
        start = known.trunk.stage_16[0].expand[0].weight
        assert not torch.equal(kernel, start)
        torch.testing.assert_close(kernel, start, atol=0.05, rtol=0)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["resident"]
    assert record["fresh"] == ["lrpose-s.context"]
    assert float(record["checkpoints"][-1]["ap"]) >= 0


def test_siblings_start_from_a_folder_each_from_its_own(photo_dataset, tmp_path, monkeypatch):
    small = dataclasses.replace(accelerator.RESIDENT_SCHEDULE, batch=4)
    monkeypatch.setattr(accelerator, "RESIDENT_SCHEDULE", small)
    before = tmp_path / "before"
    before.mkdir()
    known = LRPose("m")
    common = ["--data", str(photo_dataset), "--steps", "1", "--device", "cpu"]
    common += ["--resident", "--init", str(before), "--out", str(tmp_path / "run")]
    assert run(["train", "lrpose-n+lrpose-m", *common]) == 3  # there is nothing in it
    torch.save({"average": known.state_dict()}, before / "lrpose-m.pt")
    assert run(["train", "lrpose-n+lrpose-m", *common]) == 0  # n is new
    learned = initialization.read_average(LRPose("m"), tmp_path / "run/lrpose-m.pt")
    torch.testing.assert_close(learned.predict.weight, known.predict.weight, atol=0.02, rtol=0)


def test_a_fresh_part_takes_nothing(tmp_path):
    path = tmp_path / "known.pt"
    torch.save({"average": {k: v + 1 for k, v in LRPose("s").state_dict().items()}}, path)
    network = LRPose("s")
    own = network.context.back[0].weight.clone()
    everything = initialization.start_from(LRPose("s"), path, lambda n: None)
    taken = initialization.start_from(network, path, lambda n: None, fresh=("context",))
    assert torch.equal(network.context.back[0].weight, own)
    assert taken == everything - len(network.context.state_dict())


@pytest.mark.parametrize(
    "arguments",
    [
        ["lrpose-s+lrpose-m"],  # only of resident runs
        ["persondet", "--resident"],
        ["lrpose-s+persondet", "--resident"],
        ["lrpose-s", "--resident", "--teacher", "a.xml", "--teacher", "b.xml"],
    ],
)
def test_what_does_not_go_together_is_refused(arguments, photo_dataset, tmp_path):
    common = ["--data", str(photo_dataset), "--steps", "1", "--out", str(tmp_path)]
    assert run(["train", *arguments, *common]) == 2


def test_a_resident_run_cuts_its_own_crops(tmp_path):
    options = runner.RunOptions(
        data=(tmp_path / "crops.npz",), dev=None, folder=tmp_path, budget=Budget(steps=1)
    )
    with pytest.raises(ExportError, match="no shards"):
        accelerator.train_resident(("s",), options, SILENT)
