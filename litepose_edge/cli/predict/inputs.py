"""What the sources on a command line name: images and films, one after the other."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from litepose_edge.errors import SourceError
from litepose_edge.sources import is_video, list_images
from litepose_edge.sources.kinds import is_film_name

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """One image, or one film, camera or stream.

    Attributes:
        source: What opens it.
        name: What results and messages call it.
        film: Whether it is no image.
        file: Whether it is a file.
    """

    source: str
    name: str
    film: bool
    file: bool

    def sentence(self, error: SourceError) -> str:
        """An error's message, by the name that the user knows."""
        return str(error).replace(self.source, self.name)


@contextlib.contextmanager
def named_inputs(sources: Sequence[str]) -> Iterator[tuple[list[Input], list[str]]]:
    """What the sources name, in their order, each file once; and why some name nothing.

    Stdin (`-`) is read to its end, into a temporary file that is gone when the block ends.

    Args:
        sources: Images, folders, patterns, films, cameras, URLs, and at most one `-`.

    Raises:
        BadParameter: Stdin is named twice, or is a terminal.
    """
    with contextlib.ExitStack() as stack:
        if sources.count(STDIN) > 1:
            raise typer.BadParameter("stdin (-) can be read once", param_hint="SOURCE")
        found: dict[str, Input] = {}
        failures: list[str] = []
        for source in sources:
            try:
                if source == STDIN and not os.path.lexists(STDIN):
                    inputs = [_stdin(stack.enter_context(tempfile.TemporaryDirectory()))]
                else:
                    inputs = _named(source)
            except SourceError as exc:
                failures.append(str(exc))
                continue
            for one in inputs:
                found.setdefault(_identity(one), one)
        yield list(found.values()), failures


def _named(source: str) -> list[Input]:
    path = Path(source)
    if is_video(source):
        return [Input(source, source, film=True, file=_is_file(path))]
    if os.path.isdir(source):  # noqa: PTH112 - a name may be too long to ask about
        return _in_folder(path)
    images = list_images(source)
    pattern = glob.has_magic(source) and not os.path.lexists(source)
    return [
        # A pattern matches whatever has such a name.
        Input(str(image), str(image), film=pattern and _is_film(str(image)), file=True)
        for image in images
    ]


def _in_folder(folder: Path) -> list[Input]:
    """Its images, and what is called as films are, by name."""
    try:
        films = [path for path in folder.iterdir() if is_film_name(path.name) and path.is_file()]
    except OSError:
        films = []  # the images' list says why
    try:
        images = list_images(folder)
    except SourceError:
        if not films:
            raise
        images = []
    inputs = [Input(str(path), str(path), film=False, file=True) for path in images]
    inputs += [Input(str(path), str(path), film=True, file=True) for path in films]
    return sorted(inputs, key=lambda one: Path(one.name))


def _stdin(folder: str) -> Input:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or sys.stdin.isatty():
        raise typer.BadParameter(
            "- is an image or film on stdin: litepose-edge predict - < photo.jpg",
            param_hint="SOURCE",
        )
    path = Path(folder) / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file)
    if not path.stat().st_size:
        raise SourceError("nothing came on stdin")
    return Input(str(path), STDIN, film=is_video(str(path)), file=False)


def _identity(one: Input) -> str:
    return os.path.abspath(one.source) if one.file else one.source  # noqa: PTH100 - keeps links


def _is_film(path: str) -> bool:
    try:
        return is_video(path)
    except SourceError:  # reading it as an image says why
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
