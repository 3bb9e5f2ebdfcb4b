"""Images as callers have them: paths, bytes, PIL images, arrays; and what each refusal suggests."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from litepose_edge.errors import InvalidImageError, SourceError
from litepose_edge.sources import open_source, read_input


@pytest.fixture(scope="module")
def picture():
    """No two channels alike, and not square."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, 60, 3), np.uint8)


def test_a_path_bytes_and_an_array_are_the_same_image(picture, tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture)
    for given in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), picture):
        np.testing.assert_array_equal(read_input(given), picture)


def test_an_rgb_array_is_turned_round_and_a_file_is_not(picture, tmp_path):
    turned = read_input(picture[..., ::-1], colour="rgb")
    np.testing.assert_array_equal(turned, picture)
    assert turned.flags.c_contiguous
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    np.testing.assert_array_equal(read_input(tmp_path / "a.png", colour="rgb"), picture)
    with pytest.raises(ValueError, match="'bgr' or 'rgb', got 'RGB'"):
        read_input(picture, colour="RGB")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1"])
def test_a_pil_image_of_any_usual_mode_is_read(picture, mode):
    images = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = images.fromarray(np.ascontiguousarray(picture[..., ::-1])).convert(mode)
    read = read_input(image)
    assert read.shape == picture.shape
    expected = np.asarray(image.convert("RGB"))[..., ::-1]
    np.testing.assert_array_equal(read, expected)
    if mode == "RGB":
        np.testing.assert_array_equal(read, picture)


def test_a_pil_image_of_more_bits_or_pixels_is_refused(picture):
    images = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    with pytest.raises(InvalidImageError, match="8 bits a channel, got mode 'F'"):
        read_input(images.fromarray(picture[..., 0].astype(np.float32)))
    with pytest.raises(InvalidImageError, match="max_pixels"):
        read_input(images.fromarray(picture), max_pixels=100)
    transparent = images.new("La", (4, 4))
    with pytest.raises(InvalidImageError, match=r"mode 'La'.*Convert it: frame"):
        read_input(transparent)


def test_bytes_are_checked_as_files_are(picture):
    content = cv2.imencode(".png", picture)[1].tobytes()
    with pytest.raises(SourceError, match="the content"):
        read_input(content[:-30])
    with pytest.raises(SourceError, match="no image of a known format"):
        read_input(b"GET / HTTP/1.1")
    with pytest.raises(SourceError, match="max_pixels"):
        read_input(content, max_pixels=100)
    with pytest.raises(SourceError, match="No such file"):
        read_input(Path("nowhere.jpg"))
    with pytest.raises(SourceError, match="the content is empty"):
        read_input(b"")


def suggestion(frame):
    with pytest.raises(InvalidImageError) as caught:
        read_input(frame)
    message = str(caught.value)
    assert "got " in message
    found = re.search(r"\. Convert it: (.+)$", message)
    assert found, message
    return found.group(1)


def converted(frame, colour="bgr"):
    """What the suggested line makes of the frame, whose channels are of this order."""
    code, _, _ = suggestion(frame).partition(", with ")
    return read_input(eval(code, {"np": np, "cv2": cv2, "frame": frame}), colour=colour)


def test_planes_are_refused_with_the_line_that_makes_pixels_of_them(picture):
    planes = picture[..., ::-1].transpose(2, 0, 1)
    assert suggestion(planes).startswith("frame.transpose(1, 2, 0), with colour='rgb'")
    np.testing.assert_array_equal(converted(planes, "rgb"), picture)
    np.testing.assert_array_equal(converted(planes[None], "rgb"), picture)


def test_floats_are_refused_with_the_line_that_makes_bytes_of_them(picture):
    parts = picture.astype(np.float32) / 255
    assert np.abs(converted(parts).astype(int) - picture).max() <= 1
    np.testing.assert_array_equal(converted(picture.astype(np.float64)), picture)
    np.testing.assert_array_equal(converted(picture.astype(np.uint16) * 257), picture)
    np.testing.assert_array_equal(converted(picture.astype(np.int64)), picture)


def test_grey_and_transparent_pictures_are_refused_with_the_line_that_converts_them(picture):
    assert converted(picture[..., 0]).shape == picture.shape
    assert converted(picture[..., :1]).shape == picture.shape
    bgra = np.dstack([picture, picture[..., 0]])
    np.testing.assert_array_equal(converted(bgra), picture)
    assert converted(picture[..., 0] > 9).max() == 255


def test_channels_that_may_be_rgb_are_asked_about(picture):
    assert "colour='rgb'" in suggestion(picture / 255.0)
    assert "colour='rgb'" not in suggestion(picture[None, ..., 0])
    assert "colour='rgb'" not in suggestion(picture.astype(np.uint16))


def test_a_file_that_is_open_is_refused_with_what_reads_it(picture):
    content = io.BytesIO(cv2.imencode(".png", picture)[1].tobytes())
    with pytest.raises(InvalidImageError, match=r"got BytesIO\. Give its bytes: frame\.read\(\)"):
        read_input(content)
    np.testing.assert_array_equal(read_input(content.read()), picture)


def test_a_batch_is_sent_to_predict_batch(picture):
    assert "predict_batch(list(frames))" in suggestion(np.stack([picture, picture]))
    with pytest.raises(InvalidImageError, match="got list; several images go to predict_batch"):
        read_input([picture])


@pytest.mark.export
def test_a_tensor_is_refused_with_the_line_that_makes_an_array_of_it(picture):
    import torch

    tensor = torch.from_numpy(picture[..., ::-1].transpose(2, 0, 1) / np.float32(255))
    tensor.requires_grad_()
    with pytest.raises(InvalidImageError, match=r"got a torch Tensor \(3, 40, 60\) float32"):
        read_input(tensor)
    code, _, colour = suggestion(tensor).partition(", with ")
    image = eval(code, {"np": np, "frame": tensor})
    assert "rgb" in colour
    assert np.abs(read_input(image, colour="rgb").astype(int) - picture).max() <= 1
    half = tensor.bfloat16()
    code, _, _ = suggestion(half).partition(", with ")
    image = eval(code, {"np": np, "frame": half})
    assert np.abs(read_input(image, colour="rgb").astype(int) - picture).max() <= 2


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (None, "did cv2.imread fail"),
        (3, "got int"),
        (np.zeros((0, 4, 3), np.uint8), "non-empty"),
        (np.zeros((5, 5, 7), np.uint8), r"got \(5, 5, 7\) uint8$"),
        (np.full((4, 4, 3), -1.5), r"got \(4, 4, 3\) float64.*undo its normalization"),
        (np.full((4, 4, 3), np.nan), "undo its normalization"),
        (np.zeros((4, 4, 3), np.complex64), "complex64$"),
    ],
)
def test_what_no_line_converts_is_refused_without_one(frame, says):
    with pytest.raises(InvalidImageError, match=says):
        read_input(frame)


def test_an_iterable_gives_bgr_frames_whatever_its_pictures_are(picture, tmp_path):
    images = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture)
    rgb = np.ascontiguousarray(picture[..., ::-1])
    items = [rgb, path, images.fromarray(rgb)]
    frames = [frame.image for frame in open_source(iter(items), colour="rgb").frames]
    assert len(frames) == 3
    for frame in frames:
        np.testing.assert_array_equal(frame, picture)
    as_they_are = [frame.image for frame in open_source([picture, items[2]]).frames]
    assert as_they_are[0] is picture
    np.testing.assert_array_equal(as_they_are[1], picture)
    with pytest.raises(ValueError, match="'bgr' or 'rgb'"):
        open_source(items, colour="grey")
    with pytest.raises(ValueError, match="opened this source already"):
        open_source(open_source(items), colour="rgb")
