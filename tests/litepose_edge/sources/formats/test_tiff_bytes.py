from __future__ import annotations

import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from litepose_edge.errors import SourceError
from litepose_edge.sources import decode_image, read_image
from litepose_edge.sources.formats import tiff_bytes
from litepose_edge.sources.formats.picture_bytes import DAMAGED, TRUNCATED, UNREAD, damage

RNG = np.random.default_rng(4)
NOISE = RNG.integers(0, 256, (90, 120, 3), np.uint8)
RAMP = np.add.outer(np.arange(90), np.arange(120))[..., None].repeat(3, 2).astype(np.uint8)
FLAT = np.zeros((90, 120, 3), np.uint8)


def _pillow(picture: np.ndarray, mode: str = "RGB", **options: object) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(memory, "TIFF", **options)
    return memory.getvalue()


def _plain_lzw_length(packed: bytes) -> int:
    """The textbook loop: how many bytes come out before the end or the first wrong code."""
    bits = "".join(f"{byte:08b}" for byte in packed)
    place, width, table, before, held = 0, 9, {}, None, 0
    while place + width <= len(bits):
        code = int(bits[place : place + width], 2)
        place += width
        if code == tiff_bytes.END:
            break
        if code == tiff_bytes.CLEAR:
            width, table, before = 9, {i: 1 for i in range(256)}, None
            continue
        if before is None:
            if code > 255:
                break
            table |= {i: 1 for i in range(256)}
        else:
            free = 258 + len(table) - 256
            if code > free:
                break
            table[free] = table[before] + 1
            width = 9 + (free + 1 > 510) + (free + 1 > 1022) + (free + 1 > 2046)
        held, before = held + table[code], code
    return held


@pytest.mark.parametrize("picture", [NOISE, RAMP, FLAT], ids=["noise", "ramp", "flat"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
@pytest.mark.parametrize("packing", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_sound_tiff_is_taken(picture, mode, packing):
    assert damage(_pillow(picture, mode, compression=packing)) is None


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_opencvs_own_tiffs_are_taken(tmp_path, depth):
    file = tmp_path / "a.tiff"
    file.write_bytes(cv2.imencode(".tiff", RAMP.astype(depth))[1].tobytes())
    assert read_image(file).shape == RAMP.shape


@pytest.mark.parametrize("picture", [NOISE, RAMP, FLAT], ids=["noise", "ramp", "flat"])
def test_the_length_of_lzw_data_is_the_plain_loops(picture):
    content = _pillow(picture, compression="tiff_lzw")
    tags = tiff_bytes._first_directory(content)
    for strip in tiff_bytes._strips(content, tags):
        packed = np.frombuffer(strip.packed, np.uint8)
        for _ in range(5):
            found = tiff_bytes._lzw_length(packed, 10**9)
            assert found == _plain_lzw_length(packed.tobytes())
            packed = packed.copy()
            packed[RNG.integers(len(packed))] = RNG.integers(256)


@pytest.mark.parametrize("packing", ["tiff_lzw", "tiff_adobe_deflate"])
def test_a_strip_that_does_not_unpack_is_damage(tmp_path, packing):
    content = bytearray(_pillow(NOISE, compression=packing))
    middle = len(content) // 2
    content[middle : middle + 40] = b"\xff" * 40
    assert damage(bytes(content)) == DAMAGED
    file = tmp_path / "a.tiff"
    file.write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        read_image(file)


def test_a_strip_beyond_the_end_is_truncation():
    content = _pillow(NOISE)
    tags = tiff_bytes._first_directory(content)
    assert damage(content) is None
    longer = content.replace(
        np.uint32(tags[tiff_bytes.COUNTS][0]).tobytes(), np.uint32(10**8).tobytes()
    )
    assert damage(longer) == TRUNCATED


def test_a_directory_of_nonsense_is_left_to_the_decoder():
    for content in (b"II*\0", b"II*\0" + b"\xff" * 60, b"MM\0+" + bytes(40)):
        assert damage(content) is None


@pytest.mark.parametrize("tag", [tiff_bytes.OFFSETS, tiff_bytes.COUNTS])
@pytest.mark.parametrize("count", [0, 1])
def test_a_strip_that_is_not_listed_is_damage(tag, count):
    content = bytearray(_pillow(NOISE, compression="tiff_lzw", tiffinfo={278: 30}))
    entry = content.index(struct.pack("<HHI", tag, 4, 3))
    content[entry + 4 : entry + 8] = struct.pack("<I", count)
    assert damage(bytes(content)) == DAMAGED


def _entry(content: bytearray, tag: int) -> int:
    """Where the only value of a tag begins; four bytes, whatever its type."""
    places = [content.find(struct.pack("<HHI", tag, kind, 1)) for kind in (3, 4)]
    return max(places) + 8


def test_the_first_of_two_equal_tags_counts():
    content = bytearray(_pillow(NOISE, compression="tiff_lzw", tiffinfo={278: 90}))
    rows, count = _entry(content, tiff_bytes.ROWS), _entry(content, tiff_bytes.COUNTS)
    # A second width in the place of the rows a strip, which are all of them then.
    content[rows - 8 : rows - 6] = struct.pack("<H", tiff_bytes.WIDTH)
    content[rows : rows + 4] = struct.pack("<I", 7)
    assert damage(bytes(content)) is None
    content[count : count + 4] = struct.pack("<I", 2000)
    assert damage(bytes(content)) == DAMAGED


@pytest.mark.parametrize(
    ("packed", "held"),
    [
        (b"\x02abc", 3),
        (b"\xfea", 3),
        (b"\x80\x80\xffa\x00b", 3),
        (b"\x81a", 128),
        (b"\x05abc", 0),
        (b"", 0),
    ],
)
def test_the_length_of_packbits_data(packed, held):
    assert tiff_bytes._packbits_length(tiff_bytes._Strip(packed, 200)) == held


def test_a_packbits_strip_that_holds_too_little_is_damage():
    content = bytearray(_pillow(RAMP, compression="packbits", tiffinfo={278: 90}))
    assert damage(bytes(content)) is None
    content[1000:1040] = b"\x80" * 40
    assert damage(bytes(content)) == DAMAGED


@pytest.mark.parametrize(
    "tag", [tiff_bytes.COMPRESSION, tiff_bytes.PHOTOMETRIC, tiff_bytes.SAMPLES]
)
def test_a_number_that_is_stored_as_a_byte_is_damage(tag):
    content = bytearray(_pillow(NOISE))
    kind = _entry(content, tag) - 6
    content[kind : kind + 2] = b"\1\0"
    assert damage(bytes(content)) == DAMAGED


def test_a_strip_of_cleared_tables_ends_soon():
    clearings = np.packbits(np.tile([1, 0, 0, 0, 0, 0, 0, 0, 0], 200_000)).tobytes()
    started = time.process_time()
    assert tiff_bytes._lzw_length(np.frombuffer(clearings, np.uint8), 10**6) == 0
    assert time.process_time() - started < 5


def test_strips_that_all_name_the_same_megabyte_end_soon():
    strips = 4_000
    directory = b"".join(
        struct.pack("<HHII", tag, 4, count, value)
        for tag, count, value in (
            (tiff_bytes.WIDTH, 1, 1),
            (tiff_bytes.HEIGHT, 1, strips),
            (tiff_bytes.COMPRESSION, 1, tiff_bytes.LZW),
            (tiff_bytes.OFFSETS, strips, 100),
            (tiff_bytes.ROWS, 1, 1),
            (tiff_bytes.COUNTS, strips, 100 + 4 * strips),
        )
    )
    start = struct.pack("<2sHIH", b"II", 42, 8, 6) + directory
    lists = np.full(2 * strips, 1 << 20, "<u4")
    lists[:strips] = 0
    started = time.process_time()
    damage(start.ljust(100, b"\0") + lists.tobytes() + bytes(1 << 20))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("packing", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_strip_without_a_length_reaches_to_the_end(packing):
    content = bytearray(_pillow(RAMP, compression=packing, tiffinfo={278: 90}))
    tag = _entry(content, tiff_bytes.COUNTS) - 8
    content[tag : tag + 2] = struct.pack("<H", 343)  # of no meaning
    assert damage(bytes(content)) is None
    assert decode_image(bytes(content)).shape == RAMP.shape
    if packing == "tiff_adobe_deflate":
        content[200:210] = b"\xff" * 10
        assert damage(bytes(content)) == DAMAGED


@pytest.mark.parametrize("packing", [0, 9, 10, 32767, 32895, 32947, 34712, 32517, 65535])
def test_a_packing_that_nobody_knows_is_no_black_picture(packing):
    content = bytearray(_pillow(RAMP, compression="tiff_lzw"))
    place = _entry(content, tiff_bytes.COMPRESSION)
    content[place : place + 2] = struct.pack("<H", packing)
    assert damage(bytes(content)) == UNREAD
    with pytest.raises(SourceError, match="packed by a method"):
        decode_image(bytes(content))


@pytest.mark.parametrize("packing", ["group3", "group4", "jpeg"])
def test_other_packings_of_writers_are_left_to_the_decoder(packing):
    content = _pillow(RAMP, "1" if packing.startswith("group") else "RGB", compression=packing)
    assert damage(content) is None


def _tiled(picture: np.ndarray, packing: int, tile: int = 32) -> bytes:
    """A TIFF of square tiles, packed plainly or by deflate."""
    height, width = picture.shape[:2]
    filled = np.pad(picture, ((0, -height % tile), (0, -width % tile), (0, 0)))
    tiles = [
        filled[y : y + tile, x : x + tile].tobytes()
        for y in range(0, height, tile)
        for x in range(0, width, tile)
    ]
    if packing == 8:
        tiles = [zlib.compress(each) for each in tiles]
    entries, lists = 11, 8 + 2 + 12 * 11 + 4
    starts = np.cumsum([0, *map(len, tiles)])[:-1] + lists + 6 + 8 * len(tiles)
    directory = [
        (tiff_bytes.WIDTH, 4, 1, width),
        (tiff_bytes.HEIGHT, 4, 1, height),
        (tiff_bytes.BITS, 3, 3, lists),
        (tiff_bytes.COMPRESSION, 3, 1, packing),
        (tiff_bytes.PHOTOMETRIC, 3, 1, 2),
        (tiff_bytes.SAMPLES, 3, 1, 3),
        (tiff_bytes.PLANAR, 3, 1, 1),
        (tiff_bytes.TILE_WIDTH, 4, 1, tile),
        (tiff_bytes.TILE_HEIGHT, 4, 1, tile),
        (tiff_bytes.TILE_OFFSETS, 4, len(tiles), lists + 6),
        (tiff_bytes.TILE_COUNTS, 4, len(tiles), lists + 6 + 4 * len(tiles)),
    ]
    assert len(directory) == entries
    start = struct.pack("<2sHIH", b"II", 42, 8, entries)
    start += b"".join(struct.pack("<HHII", *entry) for entry in directory) + bytes(4)
    numbers = np.concatenate([starts, list(map(len, tiles))]).astype("<u4").tobytes()
    return start + struct.pack("<3H", 8, 8, 8) + numbers + b"".join(tiles)


@pytest.mark.parametrize("packing", [1, 8])
def test_tiles_are_looked_at_as_strips_are(packing):
    content = _tiled(RAMP, packing)
    assert damage(content) is None
    np.testing.assert_array_equal(decode_image(content), RAMP)
    assert damage(content[:-40]) == TRUNCATED
    if packing == 8:
        middle = len(content) * 2 // 3
        broken = content[:middle] + b"\xff" * 40 + content[middle + 40 :]
        assert damage(broken) == DAMAGED


@pytest.mark.parametrize(
    ("mode", "photometric", "expected"),
    [
        ("RGB", 0, DAMAGED), ("RGB", 1, DAMAGED), ("RGB", 3, DAMAGED), ("RGB", 5, DAMAGED),
        ("L", 2, DAMAGED), ("L", 0, None), ("CMYK", 5, None), ("RGBA", 2, None), ("LA", 1, None),
    ],
)  # fmt: skip
def test_a_pixel_has_as_many_numbers_as_its_colours(mode, photometric, expected):
    content = bytearray(_pillow(RAMP, mode))
    place = _entry(content, tiff_bytes.PHOTOMETRIC)
    content[place : place + 2] = struct.pack("<H", photometric)
    assert damage(bytes(content)) == expected
