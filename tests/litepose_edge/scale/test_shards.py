from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.measure.accuracy.coco_document import read_document
from litepose_edge.scale.crops import CropWriter, join_labels, person_crop
from litepose_edge.scale.shards import Labelled, open_shard
from moving_people import body, poses_of

NAMES = tuple(COCO_17.keypoint_names)


def labelled(people: int, *, film: bool = False) -> Labelled:
    poses = poses_of(*[body(feet=(100 + 50 * i, 200)) for i in range(people)])
    if not film:
        poses = replace(poses, track_ids=None)
    return Labelled("a.jpg", 7 if film else 0, 0.28 if film else 0.0, film=film, poses=poses)


def shard(kind: str, *frames: Labelled) -> bytes:
    made = open_shard(kind, "0" * 32, NAMES, "fake")
    for frame in frames:
        made.add(frame)
    return made.finish()


def test_parquet_has_a_row_a_person_with_its_numbers():
    frames = [labelled(2), labelled(0), labelled(1, film=True)]
    table = pq.read_table(io.BytesIO(shard("parquet", *frames)))
    rows = table.to_pylist()
    assert [(r["source"], r["frame"], r["time_s"], r["id"]) for r in rows] == [
        ("a.jpg", 0, 0.0, None),
        ("a.jpg", 0, 0.0, None),
        ("a.jpg", 7, 0.28, 1),
    ]
    people = frames[0].poses
    np.testing.assert_array_equal(np.array(rows[1]["keypoints"], np.float32), people.keypoints[1])
    np.testing.assert_array_equal(np.array(rows[1]["scores"], np.float32), people.scores[1])
    np.testing.assert_array_equal(np.array(rows[1]["box_xyxy"], np.float32), people.boxes_xyxy[1])
    assert rows[0]["score"] == np.float32(0.7)
    assert (rows[0]["image_width"], rows[0]["image_height"]) == (640, 480)
    about = json.loads(table.schema.metadata[b"litepose_edge"])
    assert about["keypoint_names"] == list(NAMES)


@pytest.mark.parametrize("kind", ["parquet", "coco", "jsonl"])
def test_the_same_people_give_the_same_bytes(kind):
    assert shard(kind, labelled(3), labelled(0)) == shard(kind, labelled(3), labelled(0))


def test_a_shard_without_people_has_the_same_columns():
    none, some = (pq.read_table(io.BytesIO(shard("parquet", labelled(count)))) for count in (0, 1))
    assert none.num_rows == 0
    assert none.schema.equals(some.schema)


def test_rows_are_compressed_while_a_film_goes_on(monkeypatch):
    monkeypatch.setattr("litepose_edge.scale.shards.ROWS_A_GROUP", 4)
    found = pq.ParquetFile(io.BytesIO(shard("parquet", *[labelled(3, film=True)] * 5)))
    assert found.metadata.num_rows == 15
    assert found.metadata.num_row_groups == 3


def test_json_lines_are_those_of_predict():
    lines = shard("jsonl", labelled(1), labelled(0, film=True)).decode().splitlines()
    first, second = map(json.loads, lines)
    assert first == {"source": "a.jpg", **labelled(1).poses.to_dict()}
    assert (second["index"], second["timestamp_s"], second["people"]) == (7, 0.28, [])


def test_coco_labels_are_read_back(tmp_path):
    seen = labelled(2)
    scores = seen.poses.scores.copy()
    scores[0, 5] = 0.1
    frames = [replace(seen, poses=replace(seen.poses, scores=scores)), labelled(0, film=True)]
    (tmp_path / "a.json").write_bytes(shard("coco", *frames))
    document = read_document(tmp_path / "a.json")
    assert document.keypoint_names == NAMES
    assert [image["file_name"] for image in document.images] == ["a.jpg", "a.jpg"]
    assert document.images[1]["frame"] == 7
    first, second = document.annotations
    assert first["keypoints"][15:18] == [0, 0, 0]
    assert first["keypoints"][18:21] == [*seen.poses.keypoints[0, 6].round(3).tolist(), 2]
    assert (first["num_keypoints"], second["num_keypoints"]) == (16, 17)
    x1, y1, x2, y2 = seen.poses.boxes_xyxy[0].tolist()
    np.testing.assert_allclose(first["bbox"], [x1, y1, x2 - x1, y2 - y1], atol=2e-3)


def test_ids_of_two_units_differ():
    ids = set()
    for unit in ("a" * 32, "b" * 32):
        made = open_shard("coco", unit, NAMES, "fake")
        made.add(labelled(2))
        document = json.loads(made.finish())
        ids |= {entry["id"] for entry in document["images"] + document["annotations"]}
    assert len(ids) == 6
    assert all(0 < number < 2**53 for number in ids)


def test_a_crop_holds_the_person_in_its_own_pixels():
    image = np.zeros((480, 640, 3), np.uint8)
    poses = poses_of(body(feet=(320, 400)))
    x, y = poses.keypoints[0, 0].round().astype(int)
    image[y, x] = 255
    part, moved = person_crop(image, poses)
    assert part.shape[:2] == (moved.image_size.height, moved.image_size.width)
    x, y = moved.keypoints[0, 0].round().astype(int)
    assert part[y, x].tolist() == [255, 255, 255]
    assert (moved.boxes_xyxy >= 0).all()


def test_a_crop_at_the_border_is_cut():
    poses = replace(poses_of(body(feet=(5, 100))), image_size=Size(640, 480))
    part, moved = person_crop(np.zeros((480, 640, 3), np.uint8), poses)
    assert part.size
    assert moved.keypoints[0, 0] == pytest.approx(poses.keypoints[0, 0])


def test_crops_of_several_units_are_one_training_set(tmp_path):
    image = np.full((480, 640, 3), 90, np.uint8)
    for unit in ("b" * 32, "a" * 32):
        crops = CropWriter(str(tmp_path), unit, NAMES)
        crops.add(image, labelled(2))
        crops.add(image, replace(labelled(0), poses=Poses.empty(COCO_17, Size(640, 480))))
        crops.finish()
    join_labels(str(tmp_path), NAMES, iter(["a" * 32, "b" * 32, "c" * 32]))
    document = read_document(tmp_path / "labels.json")
    assert len(document.images) == len(document.annotations) == 4
    names = [entry["file_name"] for entry in document.images]
    assert names == sorted(names)
    assert all((tmp_path / "images" / name).is_file() for name in names)
    assert {entry["source"] for entry in document.images} == {"a.jpg"}


def test_a_crop_of_a_box_beside_the_image_is_empty():
    poses = replace(poses_of(body(feet=(100, 400))), image_size=Size(640, 480))
    beside = replace(poses, boxes_xyxy=poses.boxes_xyxy - np.float32([900, 0, 900, 0]))
    assert person_crop(np.zeros((480, 640, 3), np.uint8), beside)[0].size == 0
