"""Pictures as cameras, phones and browsers write them, whole, cut, with bytes behind them."""

from __future__ import annotations

import io
import struct
import sys
import time
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litepose_edge.errors import SourceError
from litepose_edge.sources import decode_image, list_images, read_image
from litepose_edge.sources.formats.picture_bytes import damage, is_animated, picture_format

PICTURE = cv2.GaussianBlur(
    np.random.default_rng(7).integers(0, 255, (96, 128, 3), dtype=np.uint8), (9, 9), 3
)


def encoded(suffix, *options):
    return cv2.imencode(suffix, PICTURE, list(options))[1].tobytes()


def gif(pictures=1):
    pillow = pytest.importorskip("PIL.Image")
    frames = [pillow.fromarray(np.roll(PICTURE, 5 * n, axis=1)) for n in range(pictures)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


WHOLE = {
    "baseline.jpg": encoded(".jpg"),
    "progressive.jpg": encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts.jpg": encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "a.png": encoded(".png"),
    "a.bmp": encoded(".bmp"),
    "a.webp": encoded(".webp"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_bytes_behind_a_whole_picture_do_not_matter(tmp_path, name):
    (tmp_path / name).write_bytes(WHOLE[name])
    sound = read_image(tmp_path / name)
    for seed in range(8):
        film = np.random.default_rng(seed).integers(0, 256, 30_000, dtype=np.uint8).tobytes()
        (tmp_path / name).write_bytes(WHOLE[name] + b"\0\0\0\x18ftypmp42" + film)
        np.testing.assert_array_equal(read_image(tmp_path / name), sound)


@pytest.mark.parametrize("name", ["baseline.jpg", "a.png", "a.webp"])
def test_no_more_is_read_than_the_picture_takes(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(WHOLE[name])
    sound = read_image(path)
    with path.open("r+b") as file:
        file.truncate(2 << 30)
    tracemalloc.start()
    np.testing.assert_array_equal(read_image(path), sound)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def test_a_picture_of_many_megabytes_is_read_to_its_end(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (2600, 2600, 3), np.uint8)
    content = cv2.imencode(".png", noise)[1].tobytes()
    assert len(content) > 18 << 20
    (tmp_path / "a.png").write_bytes(content + bytes(30 << 20))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), noise)


@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 1, exclude_max=True))
@settings(max_examples=150, deadline=None)
def test_a_cut_picture_is_found_wherever_it_is_cut(name, part):
    content = WHOLE[name]
    assert damage(content) is None
    cut = content[: int(part * len(content))]
    # The bytes that only fill up a bitmap's last row may be missing.
    spare = -3 * PICTURE.shape[1] % 4 if name.endswith(".bmp") else 0
    missing = len(content) - len(cut)
    assert picture_format(cut) is None or missing <= spare or damage(cut) is not None


def test_a_cut_picture_with_a_film_behind_it_is_nearly_always_found():
    content = WHOLE["baseline.jpg"]
    found = 0
    for seed in range(50):
        film = np.random.default_rng(seed).integers(0, 256, 30_000, dtype=np.uint8).tobytes()
        found += damage(content[: len(content) // 2] + film) is not None
    assert found >= 45


def _segment(mark, content):
    return bytes([0xFF, mark]) + struct.pack(">H", len(content) + 2) + content


def test_a_jpeg_has_no_tables_behind_its_last_scan_and_no_temporary_mark(tmp_path):
    path, content = tmp_path / "a.jpg", WHOLE["baseline.jpg"]
    tables = content[content.index(b"\xff\xc4") : content.index(b"\xff\xda")]
    (tmp_path / "a.jpg").write_bytes(content[:-2] + _segment(0xFE, b"a comment") + content[-2:])
    np.testing.assert_array_equal(read_image(path), cv2.imdecode(np.frombuffer(content, "u1"), 1))
    for damaged in (
        content[:-2] + tables + content[-2:],
        content[:2] + b"\xff\x01" + content[2:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match="is damaged"):
            read_image(path)


@pytest.mark.parametrize("count", [1000, 1_000_000])
@pytest.mark.parametrize("name", ["baseline.jpg", "a.png"])
def test_millions_of_empty_parts_are_refused_at_once_and_a_thousand_are_none(name, count):
    content = WHOLE[name]
    at, part = (2, _segment(0xFE, b"")) if name.endswith("jpg") else (33, None)
    if part is None:
        part = struct.pack(">I", 3) + b"tEXta\0b" + struct.pack(">I", zlib.crc32(b"tEXta\0b"))
    began = time.monotonic()
    found = damage(content[:at] + part * count + content[at:])
    assert found == (None if count == 1000 else "is damaged")
    assert time.monotonic() - began < 5


def test_a_jpeg_of_three_scans_may_have_tables_between_them():
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pillow.fromarray(PICTURE).save(file, "JPEG", progressive=True, quality=92)
    assert file.getvalue().count(b"\xff\xc4") > 2
    assert damage(file.getvalue()) is None


def test_a_heic_of_a_phone_may_have_a_trailer(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    pillow_heif.from_bytes(mode="BGR", size=(128, 96), data=PICTURE.tobytes()).save(path)
    sound, content = read_image(path), path.read_bytes()
    for trailer in (b"SEFH\x6a\0\0\0\x01", b"\xff\xff\xff\xffabcdefgh", b"\0\0\x40\0SEFTSEFT"):
        path.write_bytes(content + trailer)
        np.testing.assert_array_equal(read_image(path), sound)


@pytest.mark.parametrize("kind", [b"IDAT", b"PLTE", b"tEXt", b"zTXt"])
@pytest.mark.parametrize("claimed", [999_000_000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_png_chunk_that_claims_more_than_there_is_reserves_nothing(tmp_path, kind, claimed):
    content = WHOLE["a.png"]
    chunk = struct.pack(">I", claimed) + kind + b"x" * 10 + bytes(4)
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    with pytest.raises(SourceError, match=r"a\.png is truncated"):
        read_image(tmp_path / "a.png")


def test_a_png_with_a_changed_byte_is_damaged_and_one_with_a_comment_is_not(tmp_path):
    content = bytearray(WHOLE["a.png"])
    text = b"tEXtTitle\0a picture"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PICTURE)
    content[len(content) // 2] ^= 1
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        read_image(tmp_path / "a.png")


def test_a_gif_is_whole_up_to_its_end_mark_which_some_leave_out():
    content = gif(5)
    assert picture_format(content) == "gif"
    assert damage(content) is None
    assert damage(content + bytes(50)) is None
    assert damage(content[:-1]) is None
    taken = [n for n in range(13, len(content)) if damage(content[:n]) is None]
    assert len(taken) <= 3 * 5  # behind whole blocks alone
    assert is_animated(content)
    assert not is_animated(gif(1))


@pytest.mark.parametrize("name", ["a.jfif", "a.png", "IMG_0001", "holiday.jpg.download"])
def test_the_content_says_what_a_picture_is_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(WHOLE["baseline.jpg"])
    assert read_image(tmp_path / name).shape == PICTURE.shape
    assert list_images(tmp_path / name) == [tmp_path / name]


def test_a_folder_gives_jfif_gif_and_nameless_pictures_and_leaves_the_rest(tmp_path):
    for name in ("a.jfif", "b.gif", "IMG_0002"):
        (tmp_path / name).write_bytes(WHOLE["baseline.jpg"])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "README").write_text("no picture")
    assert [p.name for p in list_images(tmp_path)] == ["IMG_0002", "a.jfif", "b.gif"]


def test_heic_is_read_with_the_plug_in_and_named_without(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "IMG_1.HEIC"
    heif = pillow_heif.from_bytes(mode="BGR", size=(128, 96), data=PICTURE.tobytes())
    heif.save(path, quality=95)
    assert np.abs(read_image(path).astype(int) - PICTURE).mean() < 8
    with pytest.raises(SourceError, match="max_pixels"):
        read_image(path, max_pixels=1000)
    cut = tmp_path / "cut.heic"
    cut.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SourceError, match=r"cut\.heic"):
        read_image(cut)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(sys.modules, "litepose_edge.sources.heif")
    with pytest.raises(SourceError, match=r"litepose-edge\[heic\]"):
        read_image(path)


def test_a_file_larger_than_any_picture_is_not_read_whole(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(WHOLE["baseline.jpg"])
    with path.open("r+b") as file:
        file.truncate(40 << 30)  # a hole of 40 GB
    assert read_image(path, max_pixels=20_000).shape == PICTURE.shape
    hole = tmp_path / "hole.bin"
    with hole.open("wb") as file:
        file.truncate(40 << 30)
    with pytest.raises(SourceError, match="no image"):
        read_image(hole)


@pytest.mark.parametrize("limit", [float("nan"), 0, -1, float("inf")])
def test_a_limit_that_is_none_is_refused(tmp_path, limit):
    (tmp_path / "a.png").write_bytes(WHOLE["a.png"])
    with pytest.raises(ValueError, match="max_pixels"):
        read_image(tmp_path / "a.png", max_pixels=limit)
    assert read_image(tmp_path / "a.png", max_pixels=96 * 128).shape == PICTURE.shape
    with pytest.raises(SourceError, match="max_pixels"):
        read_image(tmp_path / "a.png", max_pixels=96 * 128 - 1)


@pytest.mark.parametrize("name", ["", "n\0", "x" * 5000, "/dev/zero"])
def test_names_of_no_file_are_one_typed_error(name):
    with pytest.raises(SourceError):
        read_image(name)


def test_a_second_scan_of_the_same_components_is_damage_unless_progressive():
    plain = encoded(".jpg")
    scan = plain.rfind(b"\xff\xda")
    twice = plain[:-2] + plain[scan:]
    assert damage(plain) is None
    assert damage(twice) == "is damaged"
    assert damage(encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) is None


def test_bytes_behind_a_webp_do_not_make_up_for_damage_in_it(tmp_path):
    file = tmp_path / "a.webp"
    sound = encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 101)  # lossless
    file.write_bytes(sound + b"\x5a" * 600)
    assert read_image(file).shape == PICTURE.shape
    file.write_bytes(sound[:900] + bytes(range(256)) * 2 + sound[900:])
    with pytest.raises(SourceError):
        read_image(file)


@pytest.mark.parametrize("quality", [80, 101])
def test_a_webp_chunk_of_another_length_is_damage(quality):
    sound = bytearray(encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, quality))
    assert damage(bytes(sound)) is None
    sound[17] ^= 1
    assert damage(bytes(sound)) == "is damaged"


def test_a_bitmap_of_no_known_header_is_damage():
    sound = bytearray(encoded(".bmp"))
    assert damage(bytes(sound)) is None
    sound[14:16] = b"\xff\xff"
    assert damage(bytes(sound)) == "is damaged"


@pytest.mark.parametrize("width", [4, 5, 6, 7])
def test_only_the_fill_of_a_bitmaps_last_row_may_be_missing(width):
    content = cv2.imencode(".bmp", np.full((3, width, 3), 90, np.uint8))[1].tobytes()
    fill = -width * 3 % 4
    for missing in range(5):
        cut = content[: len(content) - missing]
        assert damage(cut) == (None if missing <= fill else "is truncated")


def test_a_bitmap_whose_pixels_begin_inside_its_header_is_damage():
    sound = bytearray(encoded(".bmp"))
    for start, expected in ((0, "is damaged"), (53, "is damaged"), (54, None)):
        sound[10:14] = start.to_bytes(4, "little")
        assert damage(bytes(sound)) == expected


@pytest.mark.parametrize(("mark", "name"), [(0xE0, b"JFIF"), (0xEE, b"Adobe")])
def test_a_jpeg_segment_that_ends_before_its_version_is_damage(mark, name):
    plain = WHOLE["baseline.jpg"]
    for content, expected in ((name, "is damaged"), (name[:3], None), (name + b"\0\1\2\0", None)):
        assert damage(plain[:2] + _segment(mark, content) + plain[2:]) == expected


def test_a_jpeg_of_thousands_of_scans_is_damage():
    sound = WHOLE["progressive.jpg"]
    scan = sound.rindex(b"\xff\xda")
    assert damage(sound[:scan] + sound[scan:-2] * 20 + sound[-2:]) is None
    assert damage(sound[:scan] + sound[scan:-2] * 2000 + sound[-2:]) == "is damaged"


def test_a_png_chunk_before_the_pixels_has_its_checksum(tmp_path):
    sound, pixels = WHOLE["a.png"], WHOLE["a.png"].index(b"IDAT") - 4
    gamma = b"gAMA" + struct.pack(">I", 45455)
    whole = struct.pack(">I", 4) + gamma + struct.pack(">I", zlib.crc32(gamma))
    wrong = whole[:-1] + bytes([whole[-1] ^ 1])
    assert damage(sound[:pixels] + whole + sound[pixels:]) is None
    assert damage(sound[:pixels] + wrong + sound[pixels:]) == "is damaged"
    # What comes behind them matters to no decoder.
    assert damage(sound[:-12] + wrong + sound[-12:]) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"P5\n3 2\n255\n", None),
        (b"P5 3\t2\r\n255 ", None),
        (b"P5\n# by a scanner\n3 2\n# \xff\n255\n", None),
        (b"P5\n3x2\n255\n", "is damaged"),
        (b"P5\n3 \x002\n255\n", "is damaged"),
        (b"P5\n3 2\n'55\n", "is damaged"),
        (b"P5\n3 2\n", "is damaged"),
    ],
)
def test_the_numbers_of_a_portable_pixmap_are_numbers(header, expected):
    assert damage(header + bytes(6)) == expected
    if expected is None:
        assert decode_image(header + bytes(range(6)))[..., 0].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gray.pgm", cv2.imencode(".pgm", PICTURE[..., 0])[1].tobytes()),
        ("colour.ppm", cv2.imencode(".ppm", PICTURE)[1].tobytes()),
        ("two.pbm", b"P4\n8 2\n\x0f\xf0"),
        ("text.pbm", b"P1\n# two rows\n2 2\n1 0\n0 1\n"),
    ],
)
def test_sound_portable_pixmaps_are_taken(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_image(tmp_path / name).size


def test_millions_of_empty_boxes_are_damage():
    ftyp, free = b"\0\0\0\x10ftypmif1\0\0\0\0", b"\0\0\0\x08free"
    assert damage(ftyp + free * 1000) is None
    assert damage(ftyp + free * 200_000) == "is damaged"
