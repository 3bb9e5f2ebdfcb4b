"""Reading images."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from exif import with_orientation
from litepose_edge.errors import SourceError
from litepose_edge.sources import iterate_images, list_images, read_image


@pytest.fixture
def picture():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :30] = (10, 200, 30)
    image[20:, 30:] = (200, 10, 90)
    return image


def write(path, image):
    assert cv2.imwrite(str(path), image)
    return path


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_exif_orientations_come_out_upright(tmp_path, picture, orientation):
    path = with_orientation(tmp_path / "photo.jpg", picture, orientation)
    expected = UPRIGHT[orientation](picture)
    image = read_image(path)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 6
    assert read_image(path, upright=False).shape == picture.shape


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_the_usual_formats_are_read(tmp_path, picture, suffix):
    image = read_image(write(tmp_path / f"a{suffix}", picture))
    assert image.shape == picture.shape
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - picture).mean() < 15


def test_grey_and_transparent_files_become_bgr(tmp_path, picture):
    assert read_image(write(tmp_path / "grey.png", picture[..., 0])).shape == picture.shape
    alpha = np.dstack([picture, picture[..., :1]])
    assert read_image(write(tmp_path / "alpha.png", alpha)).shape == picture.shape


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("part", [0.3, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path, suffix, part):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    path = write(tmp_path / f"a{suffix}", noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(SourceError, match=f"a{suffix}"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.png") as caught:
        read_image(path)
    assert isinstance(caught.value, OSError)


def test_a_header_that_claims_too_much_is_refused_before_decoding(tmp_path):
    def chunk(kind, body):
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    path = tmp_path / "bomb.png"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="60000x60000"):
        read_image(path)


def test_missing_files_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot read"):
        read_image(tmp_path / "none.png")
    with pytest.raises(SourceError, match="no such"):
        list_images(tmp_path / "none")
    with pytest.raises(SourceError, match="no images"):
        list_images(tmp_path)


def test_a_folder_gives_its_images_in_name_order(tmp_path, picture):
    for name in ("b.png", "a.JPG", "c.txt"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    assert [p.name for p in list_images(tmp_path)] == ["a.JPG", "b.png"]


def test_a_bad_image_does_not_stop_the_good_ones(tmp_path, picture):
    good, bad = write(tmp_path / "good.png", picture), tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    found = dict(iterate_images([bad, good]))
    assert isinstance(found[bad], SourceError)
    assert isinstance(found[good], np.ndarray)


def test_a_name_outside_ascii_is_read(tmp_path, picture):
    path = tmp_path / "фото.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    assert read_image(path).shape == picture.shape
