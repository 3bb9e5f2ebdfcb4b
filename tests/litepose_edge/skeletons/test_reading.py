"""Keypoint sets from files."""

from __future__ import annotations

import json

import pytest

from litepose_edge import Skeleton
from litepose_edge.errors import SkeletonError, SourceError
from litepose_edge.skeletons import COCO_17, HAND_21, KNOWN
from litepose_edge.skeletons.reading import DEFAULT_SIGMA, pairs_by_name

HORSE = ["nose", "left_ear", "right_ear", "L_Paw", "R_Paw", "tail"]


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "horse.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def coco(**category):
    return {"categories": [{"id": 7, "name": "horse", "keypoints": HORSE, **category}]}


def test_a_category_gives_names_bones_counted_from_1_and_pairs_by_name(write):
    skeleton = Skeleton.from_coco(write(coco(skeleton=[[1, 2], [4, 6]])))
    assert skeleton.name == "horse"
    assert skeleton.keypoint_names == tuple(HORSE)
    assert skeleton.bones == ((0, 1), (3, 5))
    assert skeleton.flip_pairs == ((1, 2), (3, 4))
    assert skeleton.oks_sigmas == (DEFAULT_SIGMA,) * 6


def test_sigmas_of_the_file_are_taken(write):
    sigmas = [0.1, 0.2, 0.2, 0.3, 0.3, 0.4]
    assert Skeleton.from_coco(write(coco(sigmas=sigmas))).oks_sigmas == tuple(sigmas)


def test_a_known_set_keeps_its_name_and_its_sigmas(write):
    skeleton = Skeleton.from_coco(write(coco(keypoints=list(COCO_17.keypoint_names))))
    assert skeleton.name == "coco17"
    assert skeleton.oks_sigmas == COCO_17.oks_sigmas
    assert skeleton.flip_pairs == COCO_17.flip_pairs


def test_bones_counted_from_0_are_known_by_their_0(write):
    assert Skeleton.from_coco(write(coco(skeleton=[[0, 5]]))).bones == ((0, 5),)


def test_a_category_without_keypoints_is_passed_over(write):
    document = coco()
    document["categories"].insert(0, {"id": 1, "name": "animals"})
    assert len(Skeleton.from_coco(write(document))) == 6


def test_a_set_of_ones_own_needs_names_only(write):
    skeleton = Skeleton.from_file(write({"keypoint_names": HORSE}))
    assert (skeleton.name, skeleton.flip_pairs) == ("horse", ((1, 2), (3, 4)))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_a_set_comes_back_from_its_own_json(write, known):
    fields = ("name", "keypoint_names", "bones", "flip_pairs", "oks_sigmas")
    assert Skeleton.from_file(write({name: getattr(known, name) for name in fields})) == known


def test_a_coco_file_will_do_for_from_file(write):
    assert Skeleton.from_file(write(coco())) == Skeleton.from_coco(write(coco()))


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        "[" * 100_000,
        {},
        {"categories": []},
        {"categories": [{"id": 1, "keypoints": []}]},
        coco(keypoints=["a", "a"]),
        coco(keypoints=["a", 3]),
        coco(skeleton=[[1, 7]]),
        coco(skeleton=[[1, 2, 3]]),
        coco(skeleton=[["1", "2"]]),
        coco(sigmas=[0.1]),
        coco(sigmas=[0.1] * 5 + [0]),
        coco(sigmas=[0.1] * 5 + [float("nan")]),
        {"keypoint_names": HORSE, "flip_pairs": [[1, 2], [2, 3]]},
        {"keypoint_names": HORSE, "names": HORSE},
        {"keypoint_names": HORSE, "name": ""},
    ],
    ids=str,
)
def test_a_file_that_contradicts_itself_is_refused(write, document):
    with pytest.raises(SkeletonError, match=r"horse\.json"):
        Skeleton.from_file(write(document))


def test_two_sets_in_one_file_are_refused(write):
    document = coco()
    document["categories"].append({"id": 8, "name": "cow", "keypoints": ["nose"]})
    with pytest.raises(SkeletonError, match="different"):
        Skeleton.from_coco(write(document))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"none\.json"):
        Skeleton.from_file(tmp_path / "none.json")


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_known_sets_fit_together(known):
    count = len(known)
    assert len(set(known.keypoint_names)) == len(known.oks_sigmas) == count
    assert all(0 <= end < count for bone in known.bones for end in bone)
    order = known.flip_permutation
    assert [order[i] for i in order] == list(range(count))


def test_pairs_by_name_are_those_of_bodies():
    assert pairs_by_name(COCO_17.keypoint_names) == COCO_17.flip_pairs
    assert pairs_by_name(HAND_21.keypoint_names) == ()
