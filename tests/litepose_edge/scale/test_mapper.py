from __future__ import annotations

import cv2
import numpy as np
import pytest

from litepose_edge import Estimator
from litepose_edge.errors import SourceError
from litepose_edge.scale import PoseMapper


@pytest.fixture(scope="module")
def pictures(photographs, tmp_path_factory):
    """A photograph of one person and a black picture."""
    folder = tmp_path_factory.mktemp("mapper")
    person = cv2.imread(str(photographs / "astronaut.png"))[::2, ::2]
    cv2.imwrite(str(folder / "person.png"), person)
    cv2.imwrite(str(folder / "black.png"), np.zeros((60, 80, 3), np.uint8))
    return folder


@pytest.fixture(scope="module")
def people(pictures):
    return Estimator("lrpose-n", threads=1).predict(pictures / "person.png")


def names(pictures, *files):
    return np.array([str(pictures / name) for name in files], object)


def test_a_batch_of_paths_is_a_row_a_person(pictures, people):
    batch = {
        "path": names(pictures, "black.png", "person.png", "person.png"),
        "camera": np.array([4, 5, 6]),
    }
    found = PoseMapper(model="lrpose-n")(batch)
    assert found["camera"].tolist() == [5, 6]
    assert found["path"].tolist() == [str(pictures / "person.png")] * 2
    assert found["keypoints"].shape == (2, 17, 2)
    np.testing.assert_array_equal(found["keypoints"][0], people.keypoints[0])
    np.testing.assert_array_equal(found["box_xyxy"][1], people.boxes_xyxy[0])
    assert (found["image_width"][0], found["image_height"][0]) == (256, 256)


def test_arrays_and_bytes_are_taken_and_not_passed_on(pictures, people):
    rgb = cv2.imread(str(pictures / "person.png"))[..., ::-1]
    mapper = PoseMapper("image", colour="rgb", model="lrpose-n")
    found = mapper({"image": rgb[None], "name": np.array(["a"])})
    assert set(found) == {
        "name", "score", "box_xyxy", "keypoints", "scores", "image_width", "image_height",
    }  # fmt: skip
    np.testing.assert_array_equal(found["keypoints"], people.keypoints)
    content = np.array([(pictures / "person.png").read_bytes()], object)
    found = PoseMapper("bytes", model="lrpose-n")({"bytes": content})
    np.testing.assert_array_equal(found["keypoints"], people.keypoints)


def test_a_batch_without_people_has_the_same_columns(pictures):
    mapper = PoseMapper(model="lrpose-n")
    some, none = (mapper({"path": names(pictures, f)}) for f in ("person.png", "black.png"))
    assert {k: (v.dtype, v.shape[1:]) for k, v in some.items()} == {
        k: (v.dtype, v.shape[1:]) for k, v in none.items()
    }
    assert len(none["score"]) == 0


def test_what_cannot_be_read_raises_or_is_skipped(pictures, caplog):
    batch = {"path": names(pictures, "none.png", "person.png")}
    with pytest.raises(SourceError, match=r"none\.png"):
        PoseMapper(model="lrpose-n")(batch)
    found = PoseMapper(model="lrpose-n", on_error="skip")(batch)
    assert found["path"].tolist() == [str(pictures / "person.png")]
    assert "none.png" in caplog.text


def test_arguments_are_checked(pictures):
    with pytest.raises(ValueError, match="on_error"):
        PoseMapper(on_error="ignore")
    with pytest.raises(KeyError, match="no column 'path'"):
        PoseMapper(model="lrpose-n")({"image": names(pictures, "black.png")})


def test_columns_named_as_results_are_refused(pictures):
    batch = {"path": names(pictures, "person.png"), "score": np.array([7])}
    with pytest.raises(ValueError, match="named as results are: score"):
        PoseMapper(model="lrpose-n")(batch)
