"""What is kept of people is used for the same people alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

from litepose_edge.errors import ModelError  # noqa: E402
from litepose_export.training.data.content_hash import hash_people, hash_photographs  # noqa: E402


def test_labels_pixels_and_teachers_count_and_their_places_do_not(people, tmp_path):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "teacher.tflite").write_bytes(b"a network")
    here, there = (tmp_path / folder / "teacher.tflite" for folder in ("here", "there"))
    moved, brighter = people.keypoints.copy(), people.images[0].copy()
    moved[0, 0, 0] += 1
    brighter[0, 0, 0] ^= 1
    same = hash_people(people, (here,))
    assert hash_people(people, (there,)) == same
    others = [
        hash_people(people),
        hash_people(replace(people, keypoints=moved), (here,)),
        hash_people(replace(people, images=(brighter, *people.images[1:])), (here,)),
    ]
    there.write_bytes(b"b network")
    others.append(hash_people(people, (there,)))
    (tmp_path / "here" / "teacher.tflite.json").write_text("{}")  # how its cells lie
    others.append(hash_people(people, (here,)))
    assert len({same, *others}) == 6


def test_a_bundled_teacher_is_known_by_its_name(people):
    assert hash_photographs(people.images, (Path("lrpose-s"),))
    with pytest.raises(ModelError, match="nothing"):
        hash_photographs(people.images, (Path("nothing"),))
