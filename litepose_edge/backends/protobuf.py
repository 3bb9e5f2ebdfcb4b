"""The wire format of protocol buffers, as far as ONNX files are read without the onnx package."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, BYTES = 0, 2

Field = tuple[int, int, int, int, int]


def fields(message: memoryview) -> Iterator[Field]:
    """Number, wire type, start, start of the value and end of each field.

    Raises:
        ValueError: The message is damaged.
        IndexError: It is cut.
    """
    at = 0
    while at < len(message):
        start = at
        # Nearly all tags and many lengths are one byte: no call for those.
        tag, at = (message[at], at + 1) if message[at] < 128 else varint(message, at)
        wire, body = tag & 7, at
        match wire:
            case 0:
                _, at = varint(message, at)
            case 1:
                at += 8
            case 2:
                length = message[at]
                length, body = (length, at + 1) if length < 128 else varint(message, at)
                at = body + length
            case 5:
                at += 4
            case _:
                raise ValueError(f"wire type {wire} at byte {start}")
        if at > len(message):
            raise ValueError(f"a field at byte {start} goes beyond its end")
        yield tag >> 3, wire, start, body, at


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at this byte, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError(f"a number at byte {at} has no end")


def length_delimited(field: int, content: bytes) -> bytes:
    """A field of bytes, a text or a message."""
    return prefix(field, len(content)) + content


def prefix(field: int, length: int) -> bytes:
    """What stands before the bytes of such a field."""
    return _encoded(field << 3 | BYTES) + _encoded(length)


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
