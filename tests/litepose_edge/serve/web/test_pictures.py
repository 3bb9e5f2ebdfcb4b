import struct
import zlib

import cv2
import numpy as np
import pytest

from live_service import BOX

JPEG, PNG, RAW = "image/jpeg", "image/png", "application/octet-stream"


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)


def post(client, content, media_type, query=""):
    headers = {"content-type": media_type}
    return client.post(f"/v1/pose{query}", content=content, headers=headers)


def encoded(picture, suffix: str) -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()


def test_a_picture_in_any_of_the_three_forms_is_what_predict_finds(client, open_service, picture):
    raw = post(client, picture.tobytes(), RAW, "?width=160&height=120")
    png = post(client, encoded(picture, ".png"), PNG)
    jpeg = post(client, encoded(picture, ".jpg"), f"{JPEG}; charset=x")
    expected = open_service.service.models.current.estimator.predict(picture).to_json()
    assert raw.text == png.text == expected
    assert len(jpeg.json()["people"]) == 1


def test_boxes_that_are_given_are_whose_poses_come_back(client, picture):
    answer = post(client, encoded(picture, ".png"), PNG, "?boxes=1,2,50,100;60.5,5,150,110")
    boxes = [person["box_xyxy"] for person in answer.json()["people"]]
    assert boxes == [[1, 2, 50, 100], [60.5, 5, 150, 110]]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?boxes=1,2,3", "expected boxes as x1,y1,x2,y2"),
        ("?boxes=a,b,c,d", "expected boxes as x1,y1,x2,y2"),
        ("?boxes=nan,0,1,1", "expected boxes as x1,y1,x2,y2"),
        ("?boxes=1,2,3,4,5", "expected boxes as x1,y1,x2,y2"),
        ("?boxes=50,50,10,10", "box"),
        ("?boxes=" + ";".join(["1,2,3,4"] * 101), "at most 100 boxes"),
    ],
)
def test_a_wrong_box_is_refused(client, picture, query, sentence):
    answer = post(client, encoded(picture, ".png"), PNG, query)
    assert answer.status_code == 422
    assert sentence in answer.json()["error"]


def header_of_a_huge_png() -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


@pytest.mark.parametrize(
    ("content", "media_type", "query", "status", "sentence"),
    [
        (b"", JPEG, "", 422, "expected a JPEG or PNG"),
        (b"GIF89a", JPEG, "", 422, "expected a JPEG or PNG"),
        (b"\xff\xd8\xff\xe0 no", JPEG, "", 422, "the body"),
        (header_of_a_huge_png(), PNG, "", 422, "60000x60000"),
        (b"abc", RAW, "", 422, "?width=W&height=H"),
        (b"\xff\xd8\xff", JPEG, "?width=0&height=1", 422, "expected a picture of 1 to"),
        (b"abc", RAW, "?width=1&height=-1", 422, "?width=W&height=H"),
        (b"abc", RAW, "?width=60000&height=60000", 422, "pixels"),
        (b"abc", RAW, "?width=2&height=2", 422, "expected 12 bytes of BGR"),
        (b"abc", "text/plain", "", 415, "image/jpeg"),
        (b"abc", "", "", 415, "image/jpeg"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(
    client, content, media_type, query, status, sentence
):
    answer = post(client, content, media_type, query)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_packed_bodies_are_refused(client):
    headers = {"content-type": JPEG, "content-encoding": "gzip"}
    assert client.post("/v1/pose", content=b"x", headers=headers).status_code == 415


def test_when_enough_pictures_wait_more_are_refused_and_may_come_again(client, open_service):
    pictures = open_service.answering.app.pictures
    pictures._waiting += 4
    try:
        answer = post(client, b"\xff\xd8\xff", JPEG)
    finally:
        pictures._waiting -= 4
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_the_detector_of_these_tests_finds_its_box(client, picture):
    answer = post(client, encoded(picture, ".png"), PNG)
    assert answer.json()["people"][0]["box_xyxy"] == list(BOX)
