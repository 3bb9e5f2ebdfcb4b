"""Messages between a driver and its worker process: pickles behind their length, over pipes."""

from __future__ import annotations

import enum
import pickle
import struct
from typing import IO, Any

LENGTH = struct.Struct("<Q")


class Kind(enum.IntEnum):
    """The first part of a worker's message."""

    READY = enum.auto()
    """Its networks are open."""
    BEGIN = enum.auto()
    """It begins an input; its position in the unit."""
    DONE = enum.auto()
    """It has labelled a frame; the people in it."""
    RESULT = enum.auto()
    """A unit's result."""
    ERROR = enum.auto()
    """What ends the run."""


def send(stream: IO[bytes], *message: Any) -> None:
    """Write a message, at once."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[Any, ...]:
    """The next message; both ends are processes of one user, one the other's child.

    Raises:
        EOFError: The other end has gone.
    """
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    message: tuple[Any, ...] = pickle.loads(content)
    return message
