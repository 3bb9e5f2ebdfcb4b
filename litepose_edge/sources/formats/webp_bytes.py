"""The chunks of a WebP file: faults that OpenCV passes over, and what lies behind the pixels."""

from __future__ import annotations

import mmap
from typing import NamedTuple

Content = bytes | mmap.mmap

# Of Google's "WebP Container Specification".
HEADER_BYTES, CHUNK_HEADER_BYTES, EXTENDED_BYTES = 12, 8, 10
EXTENDED, PIXELS = b"VP8X", (b"VP8 ", b"VP8L")
# Flags of an extended file, in the byte behind its header: animation, and all that there are.
FLAGS_AT, ANIMATION, KNOWN_FLAGS = 20, 0x02, 0x3E
MOST_CHUNKS = 100_000


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    end: int


def webp_length(content: Content) -> int:
    """How many bytes the file must have, as its first ones say."""
    return int.from_bytes(content[4:8], "little") + 8


def is_sound(content: Content) -> bool:
    """Whether the chunks fill the file and, in an extended one, follow the specification.

    OpenCV reads the first chunk that holds a picture and looks at nothing else; other decoders
    refuse the file.
    """
    chunks = _chunks(content)
    if chunks is None:
        return False
    if not chunks or chunks[0].kind != EXTENDED:
        return True
    first, *others = (chunk.kind for chunk in chunks)
    return (
        chunks[0].end - chunks[0].start >= CHUNK_HEADER_BYTES + EXTENDED_BYTES
        and content[FLAGS_AT] & ~KNOWN_FLAGS == 0
        and first not in others
        and sum(kind in PIXELS for kind in others) <= 1
    )


def pixels_last(content: bytes) -> bytes:
    """A sound file of one picture with nothing behind the pixels; an animation as it is.

    OpenCV's decoder reads on into what follows: pixels that are cut would be made of EXIF data.
    """
    content = content[: webp_length(content)]
    chunks = _chunks(content) or []
    found = [chunk for chunk in chunks if chunk.kind in PIXELS]
    if not found or found[0].end == len(content):
        return content
    begin, end = HEADER_BYTES, found[0].end
    behind = b""
    if chunks[0].kind == EXTENDED:
        if content[FLAGS_AT] & ANIMATION:
            return content
        begin, behind = chunks[0].end, content[end:]
    body = content[8:begin] + behind + content[begin:end]
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _chunks(content: Content) -> list[_Chunk] | None:
    """All chunks, each with its header and padding; None where they do not fill the file."""
    place, end = HEADER_BYTES, webp_length(content)
    found: list[_Chunk] = []
    while place < end:
        header = content[place : place + CHUNK_HEADER_BYTES]
        length = int.from_bytes(header[4:], "little")
        after = place + CHUNK_HEADER_BYTES + length + (length & 1)
        if len(header) < CHUNK_HEADER_BYTES or after > end or len(found) == MOST_CHUNKS:
            return None
        found.append(_Chunk(header[:4], place, after))
        place = after
    return found
