"""Cuts a stream of inputs into units of work, each of which becomes one shard named by its inputs.

Where one unit ends is decided by the names themselves (content-defined chunking), so that a name
that is added in the middle of an archive changes one unit or two and not all that follow.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePath

from litepose_edge.sources import IMAGE_SUFFIXES
from litepose_edge.sources.kinds import URL, is_film_name, without_password

NAME_BYTES, INPUT_BYTES = 16, 8


@dataclass(frozen=True, slots=True)
class Unit:
    """Inputs that are labelled together.

    Attributes:
        name: 32 hexadecimal digits, made of the inputs' places and of the run's options.
        sources: The inputs as they were named, images or one film.
        folder: Absolute; what relative names are relative to.
    """

    name: str
    sources: tuple[str, ...]
    folder: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there are no labels of an input, or not all.

    Attributes:
        source: The input as it was named, as `readable` gives it.
        kind: `"source"` (it cannot be read), `"killed"` (it ended its worker process twice),
            `"lost"` (its workers were lost again and again) or `"error"` (any other fault).
        reason: One sentence.
    """

    source: str
    kind: str
    reason: str

    def __post_init__(self) -> None:
        """Make names and reasons text that any file can hold."""
        for field in ("source", "reason"):
            object.__setattr__(self, field, readable(getattr(self, field)))


def readable(text: str) -> str:
    """A name or a reason as results hold it: without passwords, and text that has an encoding."""
    return without_password(text).encode("utf-8", "backslashreplace").decode()


def is_input_name(name: str) -> bool:
    """Whether a file is called as an image or a film."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES or is_film_name(name)


def cut_into_units(
    sources: Iterable[str], size: int, key: str, folder: str | None = None
) -> Iterator[Unit]:
    """Units of about `size` images, at most half as many more; a film is a unit of its own.

    Only the digests of the units are kept, 16 bytes each: inputs may be millions.

    Args:
        sources: Inputs by name; a name may come again, and is labelled again.
        size: Images a unit.
        key: What else decides a shard's content; part of each name.
        folder: What relative names are relative to; the working folder unless given.
    """
    folder = os.path.abspath(folder or ".")  # noqa: PTH100 - keeps links
    taken: set[bytes] = set()
    waiting: list[str] = []

    def unit(inputs: list[str]) -> Unit:
        number, digest = 0, _digest(key, folder, inputs)
        while digest in taken:  # the very same inputs once more
            number += 1
            digest = _digest(f"{key}\n{number}", folder, inputs)
        taken.add(digest)
        return Unit(digest.hex(), tuple(inputs), folder)

    window = max(1, size // 2)
    for source in sources:
        if is_film_name(source):
            if waiting:
                yield unit(waiting)
                waiting = []
            yield unit([source])
            continue
        waiting.append(source)
        full = len(waiting) >= size + window
        if full or (len(waiting) >= max(1, size - window) and _is_boundary(source, window)):
            yield unit(waiting)
            waiting = []
    if waiting:
        yield unit(waiting)


def _digest(key: str, folder: str, inputs: Iterable[str]) -> bytes:
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=NAME_BYTES)
    for source in inputs:
        # A zero byte is in no name, so that lists of names cannot be mistaken for each other.
        digest.update(b"\0" + _place(folder, source))
    return digest.digest()


def input_digests(unit: Unit) -> bytes:
    """Eight bytes an input, by its place: whether two units share one."""
    return b"".join(
        blake2b(_place(unit.folder, source), digest_size=INPUT_BYTES).digest()
        for source in unit.sources
    )


def _place(folder: str, source: str) -> bytes:
    """A name that tells files of two working folders apart, though they are named alike."""
    place = source if URL.match(source) else os.path.join(folder, source)  # noqa: PTH118
    return place.encode("utf-8", "surrogatepass")


def _is_boundary(source: str, window: int) -> bool:
    digest = blake2b(source.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % window == 0
