"""What the containers of videos say of their own length, before anything is decoded."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from litepose_edge.sources.formats.picture_bytes import ISO_BOXES, damage, picture_format

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
OGG_PAGE_BYTES = 27 + 255 + 255 * 255
# Packets of a transport stream: size, and where in one its mark is.
TRANSPORT_PACKETS = ((188, 0), (192, 4), (204, 0))
# More than any index of frames; what claims more is not read.
MOVIE_HEADER_BYTES = 256 << 20


def is_cut(path: Path) -> bool:
    """Whether a video file ends before its container does.

    False where it cannot be told: some containers do not know their length, and a transport
    stream may be cut between two packets.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(4 * 204)
        if start[4:8] in ISO_BOXES:
            return any(end > size for _, _, end in _boxes(file, 0, size))
        if start.startswith(b"RIFF") and start[8:12] == b"AVI ":
            return _riff_is_cut(file, size)
        if start.startswith(EBML):
            return _segment_end(start) > size
        if start.startswith(b"FLV\x01"):
            return _flash_is_cut(file, size)
        if start.startswith(ASF_HEADER):
            return _asf_size(start) > size
        if start.startswith(b"OggS"):
            return _ogg_is_cut(file, size)
        if picture_format(start) in ("gif", "png", "webp", "avif"):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return damage(content) is not None
    for packet, mark in TRANSPORT_PACKETS:
        if len(start) > 3 * packet and all(start[mark + i * packet] == 0x47 for i in range(3)):
            return size % packet != 0
    return False


def promised_frames(path: Path) -> int | None:
    """How many frames the index of an MP4 or MOV lists to be shown; None for what has no index.

    Other containers hold no such number: players make it up from duration and rate. Frames that
    an edit list leaves out do not count.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(8)[4:8] not in ISO_BOXES:
            return None
        for kind, start, end in _boxes(file, 0, size):
            if kind == b"moov" and end - start <= MOVIE_HEADER_BYTES:
                file.seek(start)
                return _indexed_frames(file.read(end - start))
    return None


def _boxes(file: BinaryIO, place: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and end of each outermost box, also of one past the file."""
    while place + 8 <= stop:
        file.seek(place)
        head = file.read(16)
        length, kind, skip = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:
            length, skip = int.from_bytes(head[8:16], "big"), 16
        if length == 0:
            length = stop - place
        # What is no box was left behind the film by something else.
        if length < skip or kind not in ISO_BOXES:
            return
        yield kind, place + skip, place + length
        place += length


def _riff_is_cut(file: BinaryIO, size: int) -> bool:
    place = 0
    while place + 8 <= size:
        file.seek(place)
        kind, length = struct.unpack("<4sI", file.read(8))
        # A recorder that was switched off leaves no length: that cannot be told from a whole one.
        if kind != b"RIFF" or length in (0, 0xFFFFFFFF):
            return False
        place += 8 + length
        if place > size:
            return True
        place += length % 2
    return False


def _flash_is_cut(file: BinaryIO, size: int) -> bool:
    file.seek(5)
    place = int.from_bytes(file.read(4), "big") + 4
    while place + 11 <= size:
        file.seek(place)
        head = file.read(4)
        # Of tags there are three; what else comes was left behind the film.
        if head[0] & 0x1F not in (8, 9, 18):
            return False
        place += 11 + int.from_bytes(head[1:], "big") + 4
    # Whole with the length behind the last tag, or without it.
    return place not in (size, size + 4)


def _asf_size(start: bytes) -> int:
    """The size a Windows Media file says to have; 0 where a broadcast did not know it."""
    place = start.find(ASF_FILE_PROPERTIES)
    if place < 0 or len(start) < place + 92 or start[place + 88] & 1:
        return 0
    return int.from_bytes(start[place + 40 : place + 48], "little")


def _ogg_is_cut(file: BinaryIO, size: int) -> bool:
    begin = max(0, size - OGG_PAGE_BYTES)
    file.seek(begin)
    end = file.read()
    place = end.rfind(b"OggS")
    if place < 0 or place + 27 > len(end):
        return True
    segments = end[place + 27 : place + 27 + end[place + 26]]
    return place + 27 + end[place + 26] + sum(segments) > len(end)


def _segment_end(start: bytes) -> int:
    """Where a Matroska file says to end; 0 where it does not."""
    header, place = _ebml_length(start, 4)
    if header is None or start[place + header : place + header + 4] != SEGMENT:
        return 0
    length, place = _ebml_length(start, place + header + 4)
    return 0 if length is None else place + length


def _ebml_length(content: bytes, place: int) -> tuple[int | None, int]:
    """A length, None where it is unknown, and where what it counts begins."""
    first = content[place] if place < len(content) else 0
    width = 9 - first.bit_length()
    if width > 8:
        return None, place + 1
    value = int.from_bytes(content[place : place + width], "big") & ((1 << 7 * width) - 1)
    unknown = (1 << 7 * width) - 1
    return None if value == unknown else value, place + width


def _indexed_frames(movie: bytes) -> int | None:
    children = dict(_children(movie))
    if b"mvex" in children:  # in fragments: the index lists none
        return None
    movie_scale = _scale_and_duration(children.get(b"mvhd", b""))[0]
    for kind, track in _children(movie):
        if kind != b"trak":
            continue
        parts = dict(_children(track))
        media = dict(_children(parts.get(b"mdia", b"")))
        if media.get(b"hdlr", b"")[8:12] != b"vide":
            continue
        table = dict(_children(dict(_children(media.get(b"minf", b""))).get(b"stbl", b"")))
        frames = int.from_bytes(table.get(b"stsz", b"")[8:12], "big")
        scale, duration = _scale_and_duration(media.get(b"mdhd", b""))
        shown = _edited(dict(_children(parts.get(b"edts", b""))).get(b"elst", b""))
        if frames and shown is not None and scale and duration and movie_scale:
            frames = int(frames * min(1.0, shown / movie_scale / (duration / scale)))
        return frames or None
    return None


def _children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        if length < 8:
            return
        yield content[place + 4 : place + 8], content[place + 8 : place + length]
        place += length


def _scale_and_duration(header: bytes) -> tuple[int, int]:
    """Ticks a second and ticks, of a movie or media header."""
    wide = header[:1] == b"\1"
    scale = 20 if wide else 12
    width = 8 if wide else 4
    return (
        int.from_bytes(header[scale : scale + 4], "big"),
        int.from_bytes(header[scale + 4 : scale + 4 + width], "big"),
    )


def _edited(edits: bytes) -> int | None:
    """Ticks that an edit list shows; None without one."""
    if len(edits) < 8:
        return None
    wide = edits[:1] == b"\1"
    step, layout = (20, ">Qq") if wide else (12, ">Ii")
    shown = 0
    for place in range(8, len(edits) - step + 1, step):
        duration, begins = struct.unpack_from(layout, edits, place)
        shown += duration if begins >= 0 else 0
    return shown or None
