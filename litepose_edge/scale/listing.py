"""What the sources of an archive name, one input after the other, without opening any."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from litepose_edge.errors import SourceError
from litepose_edge.scale.remote import is_remote, list_remote
from litepose_edge.scale.units import Failure, is_input_name
from litepose_edge.sources import list_images
from litepose_edge.sources.kinds import URL, file_of_url

STDIN = "-"


def list_inputs(sources: Iterable[str], lists: Sequence[str] = ()) -> Iterator[str | Failure]:
    """The inputs that sources and lists name, in their order, and what names none.

    A folder's inputs are its images and films by their suffixes, sorted; a pattern's are sorted
    too. Only the names of one folder or pattern at a time are in memory, of a list one line.

    Args:
        sources: Images, films, folders, patterns, URLs.
        lists: Text files with a file or URL a line; `-` is stdin.
    """
    for source in sources:
        try:
            yield from _named(source)
        except SourceError as exc:
            yield Failure(source, "source", str(exc))
    for name in lists:
        try:
            yield from _lines(name)
        except SourceError as exc:
            yield Failure(name, "source", str(exc))


def _named(source: str) -> Iterable[str]:
    if URL.match(source):
        file = file_of_url(source)
        if file is None:
            return list_remote(source) if is_remote(source) else [source]
        source = file
    path = Path(source)
    there = bool(source) and os.path.lexists(path)
    if there and path.is_dir():
        return _of_folder(path)
    if there:
        return [source]
    if glob.has_magic(source):
        return map(str, list_images(source))
    raise SourceError(f"no such file or folder: {source}")


def _of_folder(folder: Path) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name for entry in entries if is_input_name(entry.name) and not entry.is_dir()
            )
    except OSError as exc:
        raise SourceError(f"cannot read the folder {folder}: {exc.strerror}") from exc
    if not names:
        raise SourceError(
            f"{folder} holds no images or films; what lies in its folders is named by a pattern, "
            f"such as '{folder}/**/*.jpg'"
        )
    return (os.path.join(folder, name) for name in names)  # noqa: PTH118 - a Path for each is slow


def _lines(name: str) -> Iterator[str]:
    empty = True
    for source in _read(name):
        empty = False
        yield source
    if empty:
        # Not an archive that is gone, whose labels would be removed: its program has failed.
        raise SourceError(f"the list {name} is empty: expected a file or URL a line")


def _read(name: str) -> Iterator[str]:
    if name == STDIN:
        yield from _inputs_of(sys.stdin.buffer)
        return
    try:
        with Path(name).open("rb") as file:
            yield from _inputs_of(file)
    except OSError as exc:
        raise SourceError(f"cannot read the list {name}: {exc.strerror}") from exc


def _inputs_of(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        # Names of files are bytes, and may be of no encoding.
        source = os.fsdecode(line.rstrip(b"\r\n"))
        if source.strip():
            yield source
