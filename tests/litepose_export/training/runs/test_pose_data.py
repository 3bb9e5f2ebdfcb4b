"""What a run's folder keeps of its data."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.training.data.content_hash import hash_photographs  # noqa: E402
from litepose_export.training.data.distillation_targets import DistillationTargets  # noqa: E402
from litepose_export.training.runs import detector, pose_data  # noqa: E402
from training_samples import SILENT  # noqa: E402


@pytest.fixture
def teachers(tmp_path):
    """Two files, of which only the bytes matter."""
    paths = tmp_path / "first.tflite", tmp_path / "second.tflite"
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_targets_are_made_anew_of_other_labels_and_of_other_teachers(people, teachers, tmp_path):
    made = []

    def kept(asked, first):
        def make():
            made.append(first)
            count = len(asked)
            maps = np.full((count, 17, 32, 24), len(made), np.uint8)
            return DistillationTargets(maps, asked.keypoints, np.ones((count, 17), np.bool_))

        cache = tmp_path / "targets.npz"
        return int(pose_data.kept_targets(asked, (first,), cache, make).maps[0, 0, 0, 0])

    corrected = replace(people, boxes_xyxy=people.boxes_xyxy + 1)
    assert [kept(people, teachers[0]), kept(people, teachers[0])] == [1, 1]
    assert [kept(people, teachers[1]), kept(corrected, teachers[1])] == [2, 3]


def test_people_without_keypoints_come_where_a_teacher_labels_them(
    photo_dataset, teachers, tmp_path, monkeypatch
):
    document = json.loads(photo_dataset.read_text())
    for person in document["annotations"][:3]:
        person["keypoints"], person["num_keypoints"] = [0] * 51, 0
    path = tmp_path / "some.json"
    path.write_text(json.dumps(document))

    def label(people, teacher, progress):
        maps = np.zeros((len(people), 17, 32, 24), np.uint8)
        return DistillationTargets(maps, people.keypoints, np.ones((len(people), 17), np.bool_))

    monkeypatch.setattr(pose_data, "distill_keypoints", label)
    images = (photo_dataset.parent / "images",)

    nobody = tmp_path / "nobody.json"
    for person in document["annotations"]:
        person["keypoints"], person["num_keypoints"] = [0] * 51, 0
    nobody.write_text(json.dumps(document))

    def load(*data, sources, asked=teachers[:1]):
        return pose_data.load_pose_data(data, asked, tmp_path, SILENT, images, sources=sources)

    everyone, targets = load(path, sources=2)
    assert np.bincount(everyone.source).tolist() == [5, 3]
    assert targets is not None
    assert len(targets.maps) == 8
    assert len(load(path, sources=1)[0]) == 5
    # A file that labels nobody is no source of its own.
    assert np.bincount(load(path, nobody, sources=2)[0].source).tolist() == [5, 0, 11]
    assert len(load(path, nobody, sources=1)[0]) == 5
    with pytest.raises(ExportError, match="need a --teacher"):
        load(path, sources=2, asked=())


def test_boxes_without_people_are_those_of_the_photographs_that_are_trained_on(
    photo_dataset, tmp_path
):
    document = json.loads(photo_dataset.read_text())
    known = document["images"][-1]
    nobody = {"image_id": known["id"], "bbox": [1, 2, 3, 4], "category_id": 1, "id": 1}
    document["annotations"] = [nobody]
    path, images = tmp_path / "negatives.json", (photo_dataset.parent / "images",)

    def load(data=photo_dataset):
        path.write_text(json.dumps(document))
        data = (data,)
        negatives = (path, path)
        return pose_data.load_pose_data(data, (), tmp_path, SILENT, images, negatives=negatives)[0]

    *others, last = load().negatives_xyxy
    np.testing.assert_array_equal(last, [[1, 2, 4, 6]] * 2)  # of both files
    assert not any(map(len, others))
    with pytest.raises(ExportError, match="give no --negatives"):
        load(tmp_path / "packed.npz")
    document["annotations"] = []
    with pytest.raises(ExportError, match="no box of"):
        load()


def test_masks_are_made_anew_of_other_labels(people, tmp_path, monkeypatch):
    first = pose_data.load_masks(people, tmp_path, SILENT)
    nobody = replace(people, keypoints=np.zeros_like(people.keypoints))
    assert not pose_data.load_masks(nobody, tmp_path, SILENT).person_ids.any()
    assert first.person_ids.any()
    monkeypatch.setattr(pose_data, "segment_people", None)  # not called
    assert not pose_data.load_masks(nobody, tmp_path, SILENT).person_ids.any()


def test_a_detectors_pseudo_labels_are_made_anew_by_another_teacher(
    people, teachers, tmp_path, monkeypatch
):
    def detect(photographs, teacher, progress):
        return [np.full((1, 5), teacher == teachers[1], np.float32) for _ in photographs]

    monkeypatch.setattr(detector, "detect_people", detect)

    def kept(teacher):
        made_of = hash_photographs(people.images, (teacher,))
        cache = tmp_path / "boxes.npz"
        return detector.kept_pseudo_labels(people.images, teacher, cache, made_of, SILENT)[0][0, 0]

    assert [kept(teachers[0]), kept(teachers[0]), kept(teachers[1])] == [0, 0, 1]
