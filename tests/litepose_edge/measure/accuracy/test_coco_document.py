"""COCO files as other tools write them: what is taken, filled in, skipped or refused."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from litepose_edge.errors import SourceError
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.coco_document import read_document
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.results import coco_entry
from litepose_edge.skeletons import COCO_17

NAMES = list(COCO_17.keypoint_names)
POINTS = [v for n in range(17) for v in (40.0 + 5 * n, 50.0 + 5 * n, 2)]


@pytest.fixture
def sound():
    person = {
        "bbox": [30, 20, 140, 200], "area": 14000.0, "iscrowd": 0, "category_id": 1,
        "keypoints": POINTS, "num_keypoints": 17,
    }  # fmt: skip
    return {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in (1, 2)],
        "annotations": [{**person, "id": 10 + n, "image_id": n} for n in (1, 2)],
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}],
    }


@pytest.fixture
def write(tmp_path):
    (tmp_path / "images").mkdir()

    def write_document(document):
        path = tmp_path / "labels.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write_document


def perfect(path):
    return [
        coco_entry(image.image_id, 0.9, keypoints=points[:, :2], scores=points[:, 2])
        for image in read_coco(path)
        for points in image.keypoints
    ]


def without(field):
    def change(document):
        for annotation in document["annotations"]:
            del annotation[field]

    return change


def give(**fields):
    return lambda document: document["annotations"][0].update(fields)


def categories(*found):
    return lambda document: document.update(categories=list(found))


PEOPLE = {"id": 0, "name": "people", "supercategory": "none"}
PERSON = {"id": 1, "name": "person", "keypoints": NAMES}


@pytest.mark.parametrize(
    "change",
    [
        lambda document: None,
        *(without(field) for field in ("area", "iscrowd", "id", "category_id", "num_keypoints")),
        categories(PEOPLE, PERSON),
        categories(PERSON, {**PERSON, "id": 2}),
        give(num_keypoints=17.0, iscrowd=False, id="a person", area=None),
        give(id=12),
        lambda document: [a.update(id=0) for a in document["annotations"]],
        lambda document: [a.update(image_id=float(a["image_id"])) for a in document["annotations"]],
        lambda document: [
            entry.update({field: f"photo {entry[field]}"})
            for entry, field in (
                *((image, "id") for image in document["images"]),
                *((annotation, "image_id") for annotation in document["annotations"]),
            )
        ],
    ],
)  # fmt: skip
def test_what_tools_leave_out_or_write_in_their_way_scores_the_same(sound, write, change):
    pytest.importorskip("pycocotools")
    change(sound)
    path = write(sound)
    assert [len(image.boxes_xyxy) for image in read_coco(path)] == [1, 1]
    metrics = coco_metrics(path, perfect(path), "keypoints")
    assert metrics.to_dict() == pytest.approx(dict.fromkeys(metrics.to_dict(), 1))


def test_missing_fields_are_filled_in_from_the_others(sound, write):
    expected = {
        "area": 140 * 200, "iscrowd": 0, "id": 1, "category_id": 1, "num_keypoints": 17,
    }  # fmt: skip
    for field in expected:
        without(field)(sound)
    first, _ = read_document(write(sound)).annotations
    assert first.items() >= expected.items()


def test_what_is_there_stays_as_it_is(sound, write):
    sound["annotations"][0].update(area=777, num_keypoints=3, iscrowd=1)
    document = read_document(write(sound))
    first = document.annotations[0]
    assert (first["area"], first["num_keypoints"], first["iscrowd"]) == (777, 3, 1)
    assert first["keypoints"] == POINTS
    assert document.images == sound["images"]
    assert [image.crowd.tolist() for image in read_coco(document.path)] == [[True], [False]]


def test_a_person_without_keypoints_is_unlabelled(sound, write):
    for nothing in (None, [], [0] * 51):
        sound["annotations"][0] |= {"keypoints": nothing, "num_keypoints": 0}
        first, second = read_coco(write(sound))
        assert not first.keypoints.any()
        assert second.keypoints.any()
    sound["annotations"][0]["bbox"] = [5, 5, 0, 9]  # never cropped
    assert len(read_coco(write(sound))) == 2


def test_people_of_photographs_left_out_are_skipped_and_reported(sound, write, caplog):
    sound["annotations"] += [{**sound["annotations"][0], "image_id": n} for n in (3, 4, None)]
    path = write(sound)
    assert [len(image.boxes_xyxy) for image in read_coco(path)] == [1, 1]
    assert "skipped annotations whose image is not in the file: 3" in caplog.text
    assert read_document(path).skipped == 3


def test_annotations_of_other_categories_are_no_people(sound, write):
    sound["categories"].insert(0, {"id": 3, "name": "dog"})
    sound["annotations"].insert(0, {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 5, 5]})
    assert [len(image.boxes_xyxy) for image in read_coco(write(sound))] == [1, 1]


HUGE = int("1" + "0" * 400)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": [math.nan, *POINTS[1:]]}, "51 finite numbers as `keypoints`, got nan"),
        ({"keypoints": [math.inf, *POINTS[1:]]}, "51 finite numbers"),
        ({"keypoints": ["5", *POINTS[1:]]}, "51 finite numbers as `keypoints`, got '5'"),
        ({"keypoints": [True, *POINTS[1:]]}, "51 finite numbers"),
        ({"keypoints": [HUGE, *POINTS[1:]]}, "51 finite numbers"),
        ({"keypoints": POINTS * 2}, "51 finite numbers as `keypoints`, got 102"),
        ({"keypoints": POINTS[:-1]}, "got 50"),
        ({"keypoints": {"nose": 1}}, "got dict"),
        ({"bbox": None}, "4 finite numbers as `bbox`, got nothing"),
        ({"bbox": [1, 2, 3]}, "got 3"),
        ({"bbox": [math.nan] * 4}, "got nan"),
        ({"bbox": [1, 1, HUGE, 5]}, "4 finite numbers"),
        ({"bbox": [50, 50, -20, 20]}, "positive width and height"),
        ({"bbox": [50, 50, 20, 0]}, "positive width and height"),
        ({"area": math.nan}, "a finite number as `area`, got nan"),
        ({"area": "large"}, "a finite number as `area`"),
        ({"area": -1}, "positive `area`"),
        ({"area": HUGE}, "a finite number as `area`"),
        ({"iscrowd": 2}, "0 or 1 as `iscrowd`"),
        ({"iscrowd": math.nan}, "0 or 1 as `iscrowd`"),
        ({"num_keypoints": "17"}, "a count as `num_keypoints`"),
        ({"num_keypoints": math.nan}, "a count as `num_keypoints`"),
        ({"category_id": [1]}, "a number as `category_id`"),
    ],
)
def test_a_wrong_label_is_one_sentence_that_names_the_annotation(sound, write, fields, message):
    give(**fields)(sound)
    path = write(sound)
    with pytest.raises(SourceError) as caught:
        read_coco(path)
    assert str(caught.value).startswith(f"{path}: annotation 11: expected ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 150


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (categories(PEOPLE), "none of its categories has `keypoints`"),
        (categories(PERSON, {"id": 2, "keypoints": ["a"]}), "different `keypoints`"),
        (categories({"id": 1, "keypoints": 17}), "list of names"),
        (categories({"keypoints": NAMES}), "`id` of a category"),
        (lambda d: d["images"][1].update(id=1), "two images have the id 1"),
        (lambda d: d["images"][1].update(id=None), "`id` of an image"),
        (lambda d: d["images"][1].update(id=math.nan), "`id` of an image"),
        (lambda d: d["images"][1].pop("file_name"), "image 2: .*`file_name`"),
        (lambda d: d["images"][1].update(file_name="a\0b"), "image 2: .*`file_name`"),
        (lambda d: d.update(images={}), "list of objects as `images`"),
        (lambda d: d.update(annotations=[1]), "list of objects as `annotations`"),
    ],
)
def test_a_file_of_another_form_is_refused(sound, write, change, message):
    change(sound)
    with pytest.raises(SourceError, match=message):
        read_coco(write(sound))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000 + "]" * 100_000, "1" * 5000, '"\\ud800"']
)
def test_what_is_no_document_is_refused(write, text):
    with pytest.raises(SourceError, match=r"labels\.json is not a COCO keypoint file"):
        read_document(write(text))


def test_bytes_that_are_no_utf8_are_refused_and_a_byte_order_mark_is_taken(sound, write):
    path = write(sound)
    text = path.read_bytes()
    path.write_bytes(b"\xff" + text)
    with pytest.raises(SourceError, match="no JSON"):
        read_coco(path)
    path.write_bytes(b"\xef\xbb\xbf" + text)
    assert len(read_coco(path)) == 2


def test_photographs_are_looked_for_in_the_folders_given(sound, tmp_path):
    """COCO's own layout: annotations/x.json beside train2017/ and val2017/."""
    for folder, name in (("train2017", "1.png"), ("val2017", "2.png")):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / name), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "person_keypoints.json"
    path.write_text(json.dumps(sound))
    with pytest.raises(SourceError, match=r"--images DIR"):
        read_coco(path)
    folders = [tmp_path / "train2017", tmp_path / "val2017"]
    found = [image.path for image in read_coco(path, folders)]
    assert found == [folders[0] / "1.png", folders[1] / "2.png"]
    assert read_coco(path, str(folders[0])).images[1].path == folders[0] / "2.png"
    (tmp_path / "annotations" / "images").mkdir()
    assert read_coco(path, ()).images[0].path == read_coco(path).images[0].path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["annotations"][0]["keypoints"].__setitem__(2, 3), r"annotation 11: .* 3$"),
        (lambda d: d["annotations"][0]["keypoints"].__setitem__(2, 0.5), r"annotation 11: .* 0.5$"),
        (lambda d: d["categories"][0]["keypoints"].__setitem__(1, ""), "a name for each"),
        (lambda d: d["images"][0].update(exposure=math.inf), "holds Infinity"),
    ],
)
def test_what_the_format_has_not_is_refused(sound, write, change, message):
    document = json.loads(json.dumps(sound))
    read_coco(write(document))
    change(document)
    with pytest.raises(SourceError, match=message):
        read_coco(write(document))


def test_a_key_that_stands_twice_in_one_object_is_refused(sound, write):
    path = write(sound)
    path.write_text(path.read_text().replace('"iscrowd": 0', '"iscrowd": 0, "iscrowd": 1', 1))
    with pytest.raises(SourceError, match="'iscrowd' stands twice"):
        read_document(path)
