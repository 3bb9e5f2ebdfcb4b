"""Chunks of WebP files: sound ones are taken, and what other decoders refuse is damage."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from litepose_edge.errors import SourceError
from litepose_edge.sources import decode_image
from litepose_edge.sources.formats import webp_bytes
from litepose_edge.sources.formats.picture_bytes import DAMAGED, TRUNCATED, damage

RAMP = np.add.outer(np.arange(36), np.arange(48))[..., None].repeat(3, 2).astype(np.uint8)
TURNED = Image.Exif()
TURNED[274] = 6  # by a quarter


def _pillow(mode: str = "RGB", **options: object) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(RAMP).convert(mode).save(memory, "WEBP", **options)
    return memory.getvalue()


def _file(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) & 1)


def _chunks(content: bytes) -> list[bytes]:
    found = webp_bytes._chunks(content)
    assert found is not None
    return [content[chunk.start : chunk.end] for chunk in found]


SOUND = {
    "lossy": _pillow(quality=80),
    "lossless": _pillow(lossless=True),
    "lossy, turned": _pillow(quality=80, exif=TURNED),
    "lossless, turned": _pillow(lossless=True, exif=TURNED),
    "alpha": _pillow("RGBA", quality=80),
    "a chunk of no known name behind": _file(*_chunks(_pillow(quality=80)), _chunk(b"note", b"x")),
}


def _says_damaged(content: bytes) -> None:
    assert damage(content) == DAMAGED
    with pytest.raises(SourceError, match="damaged"):
        decode_image(content)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_is_taken_and_has_its_pixels(name):
    content = SOUND[name]
    assert damage(content) is None
    found = decode_image(content, upright=False)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[..., ::-1]
    assert np.abs(found.astype(int) - expected).max() <= 2  # two ways to enlarge the colours


def test_a_turned_picture_comes_upright():
    sound = SOUND["lossless, turned"]
    np.testing.assert_array_equal(decode_image(sound, upright=False), RAMP)
    np.testing.assert_array_equal(decode_image(sound), np.rot90(RAMP, -1))


@pytest.mark.parametrize("rest", range(1, 8))
def test_bytes_that_are_no_whole_chunk_are_damage(rest):
    (pixels,) = _chunks(SOUND["lossless"])
    _says_damaged(_file(pixels, bytes(rest)))
    assert damage(_file(pixels, _chunk(b"note", bytes(rest)))) is None


def test_a_length_that_leaves_out_the_filling_byte_is_damage():
    pixels = _chunk(b"VP8L", b"123")
    assert damage(_file(pixels)) is None
    assert damage(_file(pixels[:-1])) == DAMAGED
    assert damage(_file(pixels)[:-1]) == TRUNCATED


@pytest.mark.parametrize("flag", [0x01, 0x40, 0x80])
def test_a_flag_that_there_is_not_is_damage(flag):
    content = bytearray(SOUND["lossy, turned"])
    content[webp_bytes.FLAGS_AT] |= flag
    _says_damaged(bytes(content))


def test_an_extended_file_has_one_header_and_one_picture():
    header, pixels, exif = _chunks(SOUND["lossy, turned"])
    assert damage(_file(header, exif, pixels)) is None
    _says_damaged(_file(header, pixels, exif, pixels))
    assert damage(_file(header, header, pixels, exif)) == DAMAGED
    assert damage(_file(_chunk(b"VP8X", header[8:16]), pixels, exif)) == DAMAGED


def test_pixels_are_not_made_of_what_lies_behind_them():
    header, pixels, exif = _chunks(SOUND["lossy, turned"])
    short = _chunk(pixels[:4], pixels[8 : 8 + (len(pixels) - 8) // 4])
    assert damage(_file(header, short, exif)) is None  # nothing to see from outside
    for content in (_file(header, short, exif), _file(short, _chunk(b"note", bytes(400)))):
        with pytest.raises(SourceError, match="cannot decode"):
            decode_image(content)


def test_millions_of_empty_chunks_are_damage():
    (pixels,) = _chunks(SOUND["lossless"])
    assert damage(_file(pixels, _chunk(b"note", b"") * 1000)) is None
    assert damage(_file(pixels, _chunk(b"note", b"") * 200_000)) == DAMAGED
