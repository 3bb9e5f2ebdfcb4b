"""What the bytes of a picture file say before they are decoded: format, animation, damage."""

from __future__ import annotations

import mmap
import re
import struct
import zlib

import numpy as np

from litepose_edge.sources.formats import webp_bytes

Content = bytes | mmap.mmap

# Enough of a file to know its format by.
START_BYTES = 64
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
JPEG_BEGIN, JPEG_END, JPEG_SCAN = 0xD8, 0xD9, 0xDA
# A mark for temporary use, which no file holds; libjpeg passes over it.
JPEG_TEMPORARY = 0x01
JPEG_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC9})
# What may follow a scan: tables, another scan, application data, a comment, the end.
JPEG_AFTER_SCAN = frozenset({0xC4, *range(0xD9, 0xDE), *range(0xE0, 0xF0), 0xFE})
# What no decoder needs once all components are there: libjpeg has given the picture by then and
# OpenCV does not ask what comes of the rest.
JPEG_TABLES = frozenset({0xC4, 0xDB, 0xDD})
# The outermost parts of an MP4, MOV, HEIC or AVIF file; what else comes was left behind it.
ISO_BOXES = frozenset(
    {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"styp", b"sidx"}
    | {b"ssix", b"prft", b"emsg", b"pdin", b"pnot", b"uuid", b"meta", b"udta", b"idat", b"mpvd"}
)
BLOCK_BYTES = 1 << 16
# No camera or editor writes so many; millions of empty ones keep every reader busy for minutes.
MOST_PARTS = 100_000
# Each scan of a progressive JPEG goes over all of the picture. Cameras and editors write ten.
MOST_SCANS = 1000
# Decoders read a version behind these names, at least so far into the segment.
JPEG_NAMED = {0xE0: b"JFIF", 0xEE: b"Adobe"}
LEAST_NAMED_BYTES = 9
# What follows FF in a scan and is no mark: a stuffed zero, a fill byte, the marks to restart at.
_IS_MARK = np.ones(256, bool)
_IS_MARK[[0x00, *range(0xD0, 0xD8), 0xFF]] = False
TRUNCATED, DAMAGED = "is truncated", "is damaged"
UNREAD = "is packed by a method that OpenCV does not know"
# Width, height and the highest value, which bitmaps have not; comments reach to the line's end.
_PNM_GAP = rb"\s(?:\s|#[^\r\n]*[\r\n])*"
_PNM_HEADER = re.compile(
    rb"P(?:[14](?:%(gap)s\d{1,10}){2}|[2356](?:%(gap)s\d{1,10}){3})\s" % {b"gap": _PNM_GAP}
)
START_OF_BITMAP_HEADER = 14
_BITMAP_HEADERS = frozenset(struct.pack("<I", n) for n in (12, 16, 40, 52, 56, 64, 108, 124))
_MARKS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  ", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
)


def picture_format(start: bytes) -> str | None:
    """Name of the picture format that a file's first bytes show; None where it is none."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "webp"
    if start.startswith(b"BM") and start[14:18] in _BITMAP_HEADERS:
        return "bmp"
    if re.match(rb"P[1-6]\s", start):
        return "pnm"
    if start[4:8] == b"ftyp":
        brands = {start[8:12], *(start[i : i + 4] for i in range(16, _box_end(start), 4))}
        if brands & AVIF_BRANDS:
            return "avif"
        if start[8:12] in HEIF_BRANDS:
            return "heif"
    return None


def _box_end(start: bytes) -> int:
    return min(int.from_bytes(start[:4], "big"), len(start) - 3)


def is_animated(content: Content) -> bool:
    """Whether a picture file holds several pictures that follow each other in time."""
    match picture_format(content[:START_BYTES]):
        case "gif":
            return _walk_gif(content)[0] > 1
        case "png":
            return b"acTL" in content[: max(content.find(b"IDAT"), 0)]
        case "webp":
            return content[12:16] == b"VP8X" and len(content) > 20 and bool(content[20] & 2)
        case "avif":
            return content[8:12] == b"avis"
    return False


def damage(content: Content) -> str | None:
    """What is wrong with a picture file, as the end of a sentence; None where nothing shows.

    Decoders fill what is missing with grey and say nothing, or reserve as many bytes as a chunk
    claims to have. Bytes behind the picture do not matter: phones put films there.
    """
    match picture_format(content[:START_BYTES]):
        case "jpeg":
            return _jpeg_damage(content)
        case "png":
            return _png_damage(content)
        case "gif":
            return None if _walk_gif(content)[1] else TRUNCATED
        case "webp":
            return _webp_damage(content)
        case "bmp":
            return _bmp_damage(content)
        case "avif" | "heif":
            return _boxes_damage(content)
        case "tiff":
            return _tiff_damage(content)
        case "pnm":
            return None if _PNM_HEADER.match(content[:BLOCK_BYTES]) else DAMAGED
        case None if content[:2] == b"BM":  # of no header that there is; OpenCV takes any
            return DAMAGED
    return None


def _jpeg_damage(content: Content) -> str | None:
    place, scans = 2, 0
    components = None  # how many are still to come; None: as many as there are
    for _ in range(MOST_PARTS):
        # Decoders pass over bytes between two segments.
        found = _next_mark(content, place)
        if found is None:
            return TRUNCATED
        mark, place = content[found], found + 1
        if mark == JPEG_END:
            return None
        if mark == JPEG_BEGIN:
            continue
        length = max(int.from_bytes(content[place : place + 2], "big"), 2)
        segment = content[place : place + min(length, LEAST_NAMED_BYTES)]
        components = _components_left(components, mark, segment)
        scans += mark == JPEG_SCAN
        if _is_wrong(mark, segment) or (components or 0) < 0 or scans > MOST_SCANS:
            return DAMAGED
        place += length
        if mark != JPEG_SCAN:
            continue
        after = _next_mark(content, place)
        if after is None:
            return TRUNCATED
        if content[after] not in JPEG_AFTER_SCAN - (JPEG_TABLES if components == 0 else set()):
            return DAMAGED
        place = after - 1
    return DAMAGED


def _is_wrong(mark: int, segment: bytes) -> bool:
    """Whether there is no such segment: of this mark, or so short."""
    named = mark in JPEG_NAMED and segment[2:].startswith(JPEG_NAMED[mark])
    return mark == JPEG_TEMPORARY or (named and len(segment) < LEAST_NAMED_BYTES)


def _components_left(components: int | None, mark: int, segment: bytes) -> int | None:
    """How many components the scans to come may hold: each once, if not progressive."""
    if mark in JPEG_SEQUENTIAL:
        return int.from_bytes(segment[7:8], "big")
    if mark == JPEG_SCAN and components is not None:
        return components - int.from_bytes(segment[2:3], "big")
    return components


def _next_mark(content: Content, place: int) -> int | None:
    """Where a JPEG's next mark has its second byte."""
    if place + 1 < len(content) and content[place] == 0xFF and _IS_MARK[content[place + 1]]:
        return place + 1
    # In blocks: a regular expression takes half as long as decoding the picture.
    for begin in range(place, len(content) - 1, BLOCK_BYTES):
        block = np.frombuffer(content[begin : begin + BLOCK_BYTES + 1], np.uint8)
        after = np.flatnonzero(block[:-1] == 0xFF) + 1
        marks = after[_IS_MARK[block[after]]]
        if marks.size:
            return begin + int(marks[0])
    return None


def _png_damage(content: Content) -> str | None:
    place, parts, pixels = 8, 0, False
    while place + 12 <= len(content):
        parts += 1
        if parts > MOST_PARTS:
            return DAMAGED
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(content):
            return TRUNCATED
        # Upper case: a chunk that no decoder may leave out. Some look at those before the pixels.
        pixels = pixels or kind == b"IDAT"
        if kind[:1].isupper() or not pixels:
            checked = memoryview(content)[place + 4 : end - 4]
            if zlib.crc32(checked) != int.from_bytes(content[end - 4 : end], "big"):
                return DAMAGED
        if kind == b"IEND":
            return None
        place = end
    return TRUNCATED


def _bmp_damage(content: Content) -> str | None:
    if content[14:18] == b"\x0c\0\0\0":
        return None
    if len(content) < 54:
        return TRUNCATED
    width, height, _planes, bits, packed = struct.unpack("<iiHHI", content[18:34])
    pixels, header = (int.from_bytes(content[at : at + 4], "little") for at in (10, 14))
    if pixels < START_OF_BITMAP_HEADER + header:  # OpenCV would show the headers
        return DAMAGED
    if packed not in (0, 3):
        return None
    row, filled_row = (width * bits + 7) // 8, (width * bits + 31) // 32 * 4
    # Some leave out the bytes that fill up the last row.
    return TRUNCATED if pixels + filled_row * (abs(height) - 1) + row > len(content) else None


def _webp_damage(content: Content) -> str | None:
    if webp_bytes.webp_length(content) > len(content):
        return TRUNCATED
    return None if webp_bytes.is_sound(content) else DAMAGED


def _tiff_damage(content: Content) -> str | None:
    from litepose_edge.sources.formats import tiff_bytes  # its tables take time

    try:
        tiff_bytes.check_strips(content)
    except tiff_bytes.TruncatedTiffError:
        return TRUNCATED
    except tiff_bytes.DamagedTiffError:
        return DAMAGED
    except tiff_bytes.UnreadTiffError:
        return UNREAD
    return None


def _boxes_damage(content: Content) -> str | None:
    """Whether the last outermost box of an ISO file reaches past its end."""
    place = 0
    for _ in range(MOST_PARTS):
        if place + 8 > len(content):
            return TRUNCATED if place > len(content) else None
        length = int.from_bytes(content[place : place + 4], "big")
        if length == 1:
            length = int.from_bytes(content[place + 8 : place + 16], "big")
        if length == 0:
            return None
        if length < 8 or content[place + 4 : place + 8] not in ISO_BOXES:
            return None if place else DAMAGED
        place += length
    return DAMAGED


def _walk_gif(content: Content) -> tuple[int, bool]:
    """How many pictures a GIF holds, and whether its last block is whole."""
    if len(content) < 13:
        return 0, False
    place = 13 + _gif_table(content[10])
    pictures = 0
    while place < len(content):
        match content[place]:
            case 0x3B:
                return pictures, True
            case 0x21:
                place = _gif_blocks(content, place + 2)
            case 0x2C:
                if place + 10 > len(content):
                    return pictures, False
                place = _gif_blocks(content, place + 11 + _gif_table(content[place + 9]))
                pictures += 1
            case _:
                # Decoders end at what is no block; so does the walk.
                return pictures, pictures > 0
    # Some encoders leave out the end mark: after a whole block nothing can be told.
    return pictures, pictures > 0 and place == len(content)


def _gif_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(content: Content, place: int) -> int:
    """Where a chain of data blocks ends."""
    while place < len(content) and content[place]:
        place += content[place] + 1
    return place + 1
