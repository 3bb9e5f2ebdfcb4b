"""Damage in a TIFF's strips or tiles, which OpenCV fills with black and says nothing of."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Content = bytes | mmap.mmap

# Tags of the TIFF 6.0 specification.
WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES, ROWS, PLANAR = 256, 257, 258, 259, 277, 278, 284
PHOTOMETRIC, OFFSETS, COUNTS, EXTRA_SAMPLES = 262, 273, 279, 338
# Numbers of a pixel by how they are meant: white is 0, black is 0, RGB, palette, CMYK, YCbCr.
COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
PLAIN, LZW, DEFLATE, PACKBITS = 1, 5, (8, 32946), 32773
# Fax, JPEG, NeXT, RAW16, ThunderScan, PixarLog, JBIG, LogLuv, LERC, LZMA, Zstandard and WebP, which
# libtiff unpacks or refuses; a picture in any other packing comes out black.
LEFT_TO_DECODER = frozenset({2, 3, 4, 6, 7, 32766, 32771, 32809, 32909, 34661, 34676, 34677, 34887})
LEFT_TO_DECODER |= frozenset({34925, 50000, 50001})
READ_PACKINGS = LEFT_TO_DECODER | {PLAIN, LZW, *DEFLATE, PACKBITS}
# No writer stores these as bytes and few readers take them so.
WIDER = frozenset({WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, ROWS, COUNTS})
READ = WIDER | {PLANAR, EXTRA_SAMPLES, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS}
CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
MOST_STRIPS = 200_000
# LZW: the code that empties the table, the one that ends a strip, the first free one.
CLEAR, END, FIRST = 256, 257, 258
# Codes between two clearings: as many as the table of libtiff takes.
LONGEST_RUN = 4861
# Encoders clear the table when it is full, after 3837 codes; a strip of nothing but clearings would
# keep the walk busy for hours.
FEWEST_RUNS, BYTES_PER_RUN = 1000, 1024
# A code of 12 bits stands for a byte or more; the first one and the last stand for nothing.
MOST_PACKED, SPARE_BYTES = 2, 64
# How many bits the codes of a run have: all encoders widen them at the same places.
_FREE = FIRST + np.maximum(np.arange(LONGEST_RUN) - 1, 0)
_WIDTHS = 9 + (_FREE > 510).astype(np.int64) + (_FREE > 1022) + (_FREE > 2046)
_STARTS = np.concatenate([[0], _WIDTHS.cumsum()[:-1]])
_NUMBERS = np.arange(LONGEST_RUN)


class TruncatedTiffError(Exception):
    """A strip reaches beyond the file."""


class DamagedTiffError(Exception):
    """A strip does not unpack to what it must hold."""


class UnreadTiffError(Exception):
    """The picture is packed by a method that OpenCV does not know."""


@dataclass(frozen=True, slots=True)
class _Strip:
    packed: bytes
    needed: int


def check_strips(content: Content) -> None:
    """Walk the strips or tiles of a TIFF's first picture.

    Three million pixels of LZW take 0.25 s, other packings less than decoding.

    Raises:
        TruncatedTiffError: A strip reaches beyond the file.
        DamagedTiffError: A strip is not listed, holds less than its rows, or is no LZW, deflate or
            PackBits data; a number of the directory is stored as a byte; a pixel has more or fewer
            numbers than its kind of colour.
        UnreadTiffError: No decoder here knows the packing.
    """
    try:
        tags = _first_directory(content)
        compression = tags.get(COMPRESSION, (PLAIN,))[0]
        cells = _tiles if TILE_OFFSETS in tags else _strips
        strips = list(cells(content, tags))
    except (struct.error, IndexError, KeyError, ZeroDivisionError, OverflowError):
        return
    if compression not in READ_PACKINGS:
        raise UnreadTiffError
    _check_colours(tags)
    for strip in strips:
        if _held(strip, compression) < strip.needed:
            raise DamagedTiffError


def _check_colours(tags: dict[int, tuple[int, ...]]) -> None:
    needed = COLOURS.get(tags.get(PHOTOMETRIC, (-1,))[0])
    samples = tags.get(SAMPLES, (1,))[0]
    grey = needed == 1
    if needed is not None and (
        samples < needed or (grey and samples > 1 + len(tags.get(EXTRA_SAMPLES, ())))
    ):
        raise DamagedTiffError


def _held(strip: _Strip, compression: int) -> int:
    """How many bytes a strip unpacks to; at least `needed` if enough, or not known."""
    if compression == LZW and not strip.packed.startswith(b"\0\1"):  # bits in another order
        return _lzw_length(np.frombuffer(strip.packed, np.uint8), strip.needed)
    if compression in DEFLATE:
        return _deflated_length(strip)
    if compression == PACKBITS:
        return _packbits_length(strip)
    return len(strip.packed) if compression == PLAIN else strip.needed


def _first_directory(content: Content) -> dict[int, tuple[int, ...]]:
    order = "<" if content[:2] == b"II" else ">"
    big = struct.unpack(order + "H", content[2:4])[0] == 43
    entry, inline = (order + "HHQ", 8) if big else (order + "HHI", 4)
    number, step = ("Q", 20) if big else ("I", 12)
    (place,) = struct.unpack(order + number, content[8:16] if big else content[4:8])
    size = 8 if big else 2
    (count,) = struct.unpack(order + ("Q" if big else "H"), content[place : place + size])
    tags: dict[int, tuple[int, ...]] = {}
    for i in range(min(count, 4096)):
        at = place + size + i * step
        tag, kind, values = struct.unpack(entry, content[at : at + step - inline])
        # As decoders do: the first of a tag counts.
        if tag not in READ or tag in tags or kind not in CODES or values > MOST_STRIPS:
            continue
        if CODES[kind] == "B" and tag in WIDER:
            raise DamagedTiffError
        form = f"{order}{values}{CODES[kind]}"
        start, length = at + step - inline, struct.calcsize(form)
        if length > inline:
            (start,) = struct.unpack(order + number, content[start : start + inline])
        tags[tag] = struct.unpack(form, content[start : start + length])
    return tags


def _strips(content: Content, tags: dict[int, tuple[int, ...]]) -> Iterator[_Strip]:
    width, height = tags[WIDTH][0], tags[HEIGHT][0]
    rows = min(tags.get(ROWS, (height,))[0], height)
    per_plane = -(-height // rows)
    held = [min(rows, height - i * rows) for i in range(per_plane)]
    yield from _listed(content, tags, (OFFSETS, COUNTS), width, held)


def _tiles(content: Content, tags: dict[int, tuple[int, ...]]) -> Iterator[_Strip]:
    width, height = tags[TILE_WIDTH][0], tags[TILE_HEIGHT][0]
    tiles = -(-tags[WIDTH][0] // width) * -(-tags[HEIGHT][0] // height)
    # Those at the edges are whole as well.
    held = [height] * min(tiles, MOST_STRIPS)
    yield from _listed(content, tags, (TILE_OFFSETS, TILE_COUNTS), width, held)


def _listed(
    content: Content,
    tags: dict[int, tuple[int, ...]],
    places: tuple[int, int],
    width: int,
    rows: list[int],
) -> Iterator[_Strip]:
    """The strips or tiles of each plane, which hold so many rows of so many pixels."""
    bits = tags.get(BITS, (1,))
    samples = tags.get(SAMPLES, (1,))[0]
    apart = tags.get(PLANAR, (1,))[0] == 2
    row = (width * (bits[0] if apart else bits[0] * samples) + 7) // 8
    offsets = tags[places[0]]
    # Decoders take all that follows where no lengths stand there.
    to_end = tuple(max(len(content) - offset, 0) for offset in offsets)
    counts = tags.get(places[1], to_end)
    if min(len(offsets), len(counts)) < len(rows) * (samples if apart else 1):
        raise DamagedTiffError
    for i in range(len(rows) * (samples if apart else 1)):
        offset, count, needed = offsets[i], counts[i], rows[i % len(rows)] * row
        if offset + count > len(content):
            raise TruncatedTiffError
        packed = min(count, MOST_PACKED * needed + SPARE_BYTES)
        yield _Strip(content[offset : offset + packed], needed)


def _deflated_length(strip: _Strip) -> int:
    try:
        return len(zlib.decompressobj().decompress(strip.packed, strip.needed))
    except zlib.error:
        return 0


def _packbits_length(strip: _Strip) -> int:
    packed, place, held = strip.packed, 0, 0
    while held < strip.needed and place < len(packed):
        code = packed[place]
        if code < 128:  # so many bytes and one more as they are
            place, held = place + code + 2, held + code + 1
        else:  # one byte several times; 128 is nothing
            place, held = place + (2 if code > 128 else 1), held + (257 - code) % 129
    return held if place <= len(packed) else 0


def _lzw_length(packed: NDArray[np.uint8], needed: int) -> int:
    """How many bytes LZW data unpacks to before it ends or is wrong; at least `needed` if enough.

    Nothing is unpacked: the length of a code's string is one more than that of the code before
    its entry was made, so that a run of codes is a handful of operations on arrays.
    """
    bits = 8 * len(packed)
    bytes_ = np.concatenate([packed, np.zeros(3, np.uint8)]).astype(np.int64)
    place = held = 0
    for _ in range(FEWEST_RUNS + needed // BYTES_PER_RUN):
        if held >= needed:
            break
        starts = place + _STARTS
        starts = starts[: np.searchsorted(starts + _WIDTHS, bits, side="right")]
        run = len(starts)
        at = starts >> 3
        windows = bytes_[at] << 16 | bytes_[at + 1] << 8 | bytes_[at + 2]
        widths = _WIDTHS[:run]
        codes = windows >> (24 - widths - (starts & 7)) & (1 << widths) - 1
        stops = np.flatnonzero((codes == CLEAR) | (codes == END))
        ended = not len(stops) or codes[stops[0]] == END
        last = int(stops[0]) if len(stops) else run
        codes = codes[:last]
        wrong = np.flatnonzero(codes > np.where(_NUMBERS[:last] == 0, 255, _FREE[:last]))
        if len(wrong):
            ended, codes = True, codes[: wrong[0]]
        held += int(_lengths(codes).sum())
        if ended:
            break
        place = int(starts[last] + widths[last])
    return held


def _lengths(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the string of each code in a run: how many codes it leads back to."""
    lengths = np.ones(len(codes), np.int64)
    before = np.where(codes < CLEAR, -1, codes - FIRST)
    open_ = np.flatnonzero(before >= 0)
    while len(open_):
        to = before[open_]
        lengths[open_] += lengths[to]
        before[open_] = before[to]
        open_ = open_[before[open_] >= 0]
    return lengths
