"""Where each input's drawing goes: the file that was named, or one of its own name in a folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import cv2
import typer

from litepose_edge.cli.predict.film_writer import FILM_CODECS
from litepose_edge.cli.predict.inputs import Input
from litepose_edge.errors import OutputError
from litepose_edge.sources import IMAGE_SUFFIXES
from litepose_edge.sources.cameras import PIPELINE
from litepose_edge.sources.kinds import split_url

# Written in colour, and with as many pixels as were read.
KEPT_SUFFIXES = frozenset(
    {".bmp", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
PICTURE, FILM = ".png", ".mp4"


def drawing_targets(inputs: Sequence[Input], save: Path) -> list[Path]:
    """One file for each input.

    Args:
        inputs: At least one.
        save: A file, if its name ends as a picture's or a film's does; else a folder, in which
            names are kept: `a.jpg` becomes `a.jpg`. What cannot be written in its own format
            becomes a PNG or an MP4. Where names repeat, they lie below their sources' folders.

    Raises:
        BadParameter: One file, and several inputs or one of the other kind; or a name for one
            picture that ends as none does.
        OutputError: A drawing would take the place of its source.
    """
    targets = [save] if _is_one_file(inputs, save) else _in_folder(inputs, save)
    originals = {os.path.realpath(one.source): one.name for one in inputs if one.file}
    for target in targets:
        original = originals.get(os.path.realpath(target))
        if original is not None:
            raise OutputError(
                f"cannot write {target}: it would take the place of {original}; "
                "give --save another folder or file"
            )
    return targets


def _is_one_file(inputs: Sequence[Input], save: Path) -> bool:
    if os.path.isdir(save):  # noqa: PTH112 - a name may be too long to ask about
        return False
    suffix = save.suffix.lower()
    picture, film = suffix in IMAGE_SUFFIXES, suffix in FILM_CODECS
    # An unknown suffix is a mistyped one; a film's encoder says so itself. `out.2` is a folder.
    unknown = not suffix[1:].isdecimal() and bool(suffix) and len(inputs) == 1
    if unknown and not (picture or film or inputs[0].film):
        raise typer.BadParameter(
            f"{save} ends as no picture does: give a name such as out.png, or a folder that is "
            "there",
            param_hint="--save",
        )
    if not (picture or film or unknown):
        return False
    if len(inputs) > 1:
        raise typer.BadParameter(
            f"{save} is one file, and there are {len(inputs)} inputs: give a folder",
            param_hint="--save",
        )
    if picture and inputs[0].film:
        raise typer.BadParameter(
            f"{inputs[0].name} is a film, and {save} a picture: give a folder, or a name "
            f"ending in {', '.join(FILM_CODECS)}",
            param_hint="--save",
        )
    if film and not inputs[0].film:
        raise typer.BadParameter(
            f"{inputs[0].name} is an image, and {save} a film: give a folder, or a name such as "
            "out.png",
            param_hint="--save",
        )
    return True


def _in_folder(inputs: Sequence[Input], folder: Path) -> list[Path]:
    names = [_name(one) for one in inputs]
    if len(set(names)) < len(names):
        names = _below_their_folders(inputs, names)
    repeated = Counter(names)
    # a.heic beside a.png: what was renamed gives way, with the whole of its own name.
    names = [
        f"{name.removesuffix(Path(name).suffix)}{Path(one.name).suffix}{Path(name).suffix}"
        if repeated[name] > 1 and one.file and Path(one.name).suffix != Path(name).suffix
        else name
        for one, name in zip(inputs, names, strict=True)
    ]
    return [folder / name for name in _numbered(names)]


def _name(one: Input) -> str:
    """As the source is called, with a suffix that can be written."""
    if not one.file:
        return _called(one.name) + (FILM if one.film else PICTURE)
    path = Path(one.name)
    suffix = path.suffix.lower()
    if one.film:
        kept = suffix in FILM_CODECS
    else:
        kept = suffix in KEPT_SUFFIXES and cv2.haveImageWriter(f"a{suffix}")
    return path.name if kept else f"{path.stem}{FILM if one.film else PICTURE}"


def _called(name: str) -> str:
    """A file name for what has none: stdin, a camera, a stream."""
    if name == "-":
        return "stdin"
    if name.isdecimal():
        return f"camera{name[:20]}"
    if name.startswith(PIPELINE):
        return "gstreamer"
    parts = split_url(name)
    last = PurePosixPath(parts.path).stem or parts.hostname or name
    return re.sub(r"[^\w.-]+", "_", last)[:80].strip("._") or "stream"


def _below_their_folders(inputs: Sequence[Input], names: Sequence[str]) -> list[str]:
    folders = [Path(one.name).absolute().parent if one.file else None for one in inputs]
    try:
        common = os.path.commonpath([folder for folder in folders if folder is not None])
    except ValueError:  # none is a file, or they lie on different drives
        return list(names)
    return [
        name if folder is None else (folder.relative_to(common) / name).as_posix()
        for folder, name in zip(folders, names, strict=True)
    ]


def _numbered(names: Sequence[str]) -> list[str]:
    """The same, those that repeat an earlier one with a number."""
    taken: list[str] = []
    for name in names:
        path, number, free = PurePosixPath(name), 2, name
        while free in taken:
            free = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
            number += 1
        taken.append(free)
    return taken
