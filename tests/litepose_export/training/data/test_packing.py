"""Packed crops: what goes in comes out, in shards of bounded size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.cli.app import run  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.core.loop import Budget  # noqa: E402
from litepose_export.training.data import packing  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.packing import load_packs, pack  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.distillation.teacher import Teaching  # noqa: E402
from litepose_export.training.runs import pose, runner  # noqa: E402

STILL = Augmentation(
    rotate=0, scale=(1, 1), shift=0, box_jitter=0, half_body=0, cutout=0, blur=0, colour=0, nobody=0
)
QUIET = runner.Display(lambda what, total: lambda: None, lambda p: None, lambda m: None)


@pytest.fixture(scope="module")
def people(photo_dataset):
    return load_people([read_coco(photo_dataset)])


@pytest.fixture(scope="module")
def teaching(people):
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 256, (len(people), 17, 32, 24), np.uint8)
    keypoints = people.keypoints.copy()
    keypoints[..., :2] += rng.normal(0, 3, keypoints[..., :2].shape)
    return Teaching(maps, keypoints, rng.random((len(people), 17)) < 0.5)


def order(people, packed):
    """Which person each packed one is: shards are shuffled, sizes of boxes tell them apart."""

    def shape(p):
        return p.boxes_xyxy[:, 2:] - p.boxes_xyxy[:, :2]

    distance = np.abs(shape(packed)[:, None] - shape(people)[None]).max(axis=2)
    assert (distance.min(axis=1) < 1e-3).all()
    found = distance.argmin(axis=1)
    assert sorted(found) == list(range(len(people)))
    return found


def test_everybody_comes_back_with_labels_pixels_and_the_teachers_opinion(
    people, teaching, tmp_path
):
    packed = load_packs(pack(people, teaching, tmp_path))
    assert packed.teaching is not None
    for new, old in enumerate(order(people, packed.people)):
        assert (packed.teaching.maps[new] == teaching.maps[old]).all()
        assert (packed.teaching.trusted[new] == teaching.trusted[old]).all()
        # Everything moved alike: as seen from the corner of the box.
        corner_new = packed.people.boxes_xyxy[new, :2]
        corner_old = people.boxes_xyxy[old, :2]
        for ours, theirs in (
            (packed.people.keypoints[new], people.keypoints[old]),
            (packed.teaching.keypoints[new], teaching.keypoints[old]),
        ):
            np.testing.assert_allclose(
                ours[:, :2] - corner_new, theirs[:, :2] - corner_old, atol=1e-3
            )
            np.testing.assert_allclose(ours[:, 2], theirs[:, 2])
        crops = []
        for whom, person in ((packed.people, new), (people, old)):
            alone = dataclasses.replace(
                whom,
                image_index=whom.image_index[[person]],
                boxes_xyxy=whom.boxes_xyxy[[person]],
                keypoints=whom.keypoints[[person]],
                source=whom.source[[person]],
            )
            sampler = CropSampler(alone, None, STILL, seed=3)
            crops.append(sampler.draw(1, Size(96, 128), (1.0,)).crops[0].numpy().astype(float))
        # The ground is noise in [0, 60): JPEG changes it by 7, a shift of one pixel by 20.
        assert np.abs(crops[0] - crops[1]).mean() < 10


def test_large_people_are_shrunk_and_their_labels_with_them(people, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "LONGEST_PX", 80)
    packed = load_packs(pack(people, None, tmp_path)).people
    assert max(max(image.shape) for image in packed.images) == 80
    shrunk = packed.boxes_xyxy[:, 2:] - packed.boxes_xyxy[:, :2]
    whole = people.boxes_xyxy[:, 2:] - people.boxes_xyxy[:, :2]
    assert (shrunk.max() < whole.min()).all()
    inside = packed.keypoints[..., :2] - packed.boxes_xyxy[:, None, :2]
    assert (inside > -1).all()
    assert (inside < shrunk[:, None] + 1).all()


def test_no_shard_is_larger_than_allowed_and_none_is_lost(people, teaching, tmp_path):
    most = 150_000
    shards = pack(people, teaching, tmp_path, max_bytes=most)
    assert len(shards) > 1
    assert max(path.stat().st_size for path in shards) <= most
    assert len(load_packs(shards).people) == len(people)
    with pytest.raises(ExportError, match="a shard may have"):
        pack(people, teaching, tmp_path, max_bytes=9_000)


def test_what_is_no_shard_is_refused(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(3))
    with pytest.raises(ExportError, match="no shard"):
        load_packs([other])
    other.write_bytes(b"nothing")
    with pytest.raises(ExportError, match="cannot read"):
        load_packs([other])


def test_a_run_on_shards_trains_and_both_kinds_of_data_do_not_mix(
    people, teaching, photo_dataset, tmp_path
):
    shards = tuple(pack(people, teaching, tmp_path / "shards"))

    def options(*data, teachers=()):
        return runner.RunOptions(
            data=data,
            dev=None,
            folder=tmp_path / "run",
            budget=Budget(steps=1),
            teachers=teachers,
        )

    assert pose.train_pose("n", options(*shards), QUIET).exists()
    with pytest.raises(ExportError, match="not both"):
        pose.train_pose("n", options(*shards, photo_dataset), QUIET)
    with pytest.raises(ExportError, match="no --teacher"):
        pose.train_pose("n", options(*shards, teachers=(tmp_path, tmp_path)), QUIET)


def test_the_command_line_packs_and_draws(photo_dataset, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert run(["pack", "--data", str(photo_dataset), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().endswith("crops-000.npz")
    log = tmp_path / "log.csv"
    log.write_text("step,minutes,loss,ap,ap50,ap75,ar\n10,1,0.5,,,,\n20,2,0.4,0.1,0.2,0.1,0.2\n")
    assert run(["plot", str(tmp_path), "--out", str(tmp_path / "run.png")]) == 0
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert run(["plot", str(tmp_path / "none"), "--out", str(tmp_path / "no.png")]) != 0
