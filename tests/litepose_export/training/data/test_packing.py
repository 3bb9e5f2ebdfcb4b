"""Packed crops: what goes in comes out, in shards of bounded size."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.data import packing  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.distillation_targets import DistillationTargets  # noqa: E402
from litepose_export.training.data.packing import load_packs, pack  # noqa: E402
from training_samples import PLAIN  # noqa: E402


@pytest.fixture(scope="module")
def targets(people):
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 256, (len(people), 17, 32, 24), np.uint8)
    keypoints = people.keypoints.copy()
    keypoints[..., :2] += rng.normal(0, 3, keypoints[..., :2].shape)
    return DistillationTargets(maps, keypoints, rng.random((len(people), 17)) < 0.5)


def order(people, packed):
    """Which person each packed one is: shards are shuffled, sizes of boxes tell them apart."""

    def shape(p):
        return p.boxes_xyxy[:, 2:] - p.boxes_xyxy[:, :2]

    distance = np.abs(shape(packed)[:, None] - shape(people)[None]).max(axis=2)
    assert (distance.min(axis=1) < 1e-3).all()
    found = distance.argmin(axis=1)
    assert sorted(found) == list(range(len(people)))
    return found


def test_all_people_come_back_with_labels_pixels_and_targets(people, targets, tmp_path):
    packed = load_packs(pack(people, targets, tmp_path))
    assert packed.targets is not None
    for new, old in enumerate(order(people, packed.people)):
        assert (packed.targets.maps[new] == targets.maps[old]).all()
        assert (packed.targets.trusted[new] == targets.trusted[old]).all()
        # Everything moved alike: as seen from the corner of the box.
        corner_new = packed.people.boxes_xyxy[new, :2]
        corner_old = people.boxes_xyxy[old, :2]
        for ours, theirs in (
            (packed.people.keypoints[new], people.keypoints[old]),
            (packed.targets.keypoints[new], targets.keypoints[old]),
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
            sampler = CropSampler(alone, None, PLAIN, seed=3)
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


def test_no_shard_is_larger_than_allowed_and_none_is_lost(people, targets, tmp_path):
    most = 150_000
    shards = pack(people, targets, tmp_path, max_bytes=most)
    assert len(shards) > 1
    assert max(path.stat().st_size for path in shards) <= most
    assert len(load_packs(shards).people) == len(people)
    with pytest.raises(ExportError, match="a shard may have"):
        pack(people, targets, tmp_path, max_bytes=9_000)


def test_what_is_no_shard_is_refused(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(3))
    with pytest.raises(ExportError, match="no shard"):
        load_packs([other])
    other.write_bytes(b"nothing")
    with pytest.raises(ExportError, match="cannot read"):
        load_packs([other])


def test_a_shard_that_was_cut_on_its_way_is_named(people, targets, tmp_path):
    shard = pack(people, targets, tmp_path)[0]
    whole = shard.read_bytes()
    for part in (0, len(whole) // 3, len(whole) - 30):
        shard.write_bytes(whole[:part])
        with pytest.raises(ExportError, match=r"crops-000\.npz .*copy it again"):
            load_packs([shard])
    arrays = dict(np.load(io.BytesIO(whole)))
    del arrays["boxes"]
    np.savez(shard, **arrays)
    with pytest.raises(ExportError, match="holds no boxes"):
        load_packs([shard])


def test_packing_fewer_people_leaves_no_shard_of_the_many(people, tmp_path):
    keepsake = tmp_path / "crops-of-others.npz"
    keepsake.write_bytes(b"")
    assert len(pack(people, None, tmp_path, max_bytes=40_000)) > 1
    paths = pack(people, None, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*paths, keepsake])
