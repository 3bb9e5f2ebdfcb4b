"""Reads pictures: checks size and wholeness before decoding, turns them upright."""

from __future__ import annotations

import glob
import io
import os
import stat
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import SourceError, install_hint
from litepose_edge.sources.formats import webp_bytes
from litepose_edge.sources.formats.picture_bytes import (
    START_BYTES,
    TRUNCATED,
    damage,
    picture_format,
)

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"}
    | {".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
# No format needs more for a pixel than four numbers of 16 bits; the rest is metadata.
BYTES_PER_PIXEL, METADATA_BYTES = 8, 16 << 20
UNKNOWN_START_BYTES = 1 << 16
# So much at first; of formats whose end can be told no more than the picture takes.
FIRST_BYTES = 16 << 20
ENDING = ("jpeg", "png", "gif", "webp")


def list_images(source: str | PathLike[str]) -> list[Path]:
    """The image files a source names: a file, a folder's images, or what matches a pattern.

    A folder's images are the files with the suffix of a picture, and those without a suffix
    that hold one.

    Raises:
        SourceError: There is no such file or folder, or it holds no images.
    """
    path = Path(source)
    there = bool(os.fspath(source)) and os.path.lexists(path)
    if not there and glob.has_magic(str(source)):
        names = glob.glob(str(source), recursive=True)  # noqa: PTH207 - patterns may be absolute
        matching = sorted(p for p in map(Path, names) if not p.is_dir())
        if not matching:
            raise SourceError(f"no file matches {source}")
        return matching
    if not there:
        raise SourceError(f"no such file or folder: {source}")
    if not path.is_dir():
        return [path]
    try:
        found = sorted(p for p in path.iterdir() if _is_image_file(p))
    except OSError as exc:
        raise SourceError(f"cannot read the folder {path}: {exc.strerror}") from exc
    if not found:
        raise SourceError(f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return found


def _is_image_file(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()
    return path.is_file() and picture_format(first_bytes(path)) is not None


def first_bytes(path: str | PathLike[str]) -> bytes:
    """Enough of a file to know its format by; nothing where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(START_BYTES)
    except OSError:
        return b""


def read_image(
    path: str | PathLike[str], *, max_pixels: int = 100_000_000, upright: bool = True
) -> NDArray[np.uint8]:
    """Read an image file as `(H, W, 3)` uint8 BGR, turned upright by its EXIF orientation.

    The format is told by the content, not by the name. Of an animation this is the first picture.
    HEIC needs the extra `heic`.

    Args:
        path: The file.
        upright: False leaves the pixels as they are stored: COCO's labels are made that way.
        max_pixels: A header that claims more is refused before anything is decoded: a 1 MB PNG
            can unpack to gigabytes.

    Raises:
        SourceError: The file is missing, no image, truncated, damaged or too large.
    """
    check_max_pixels(max_pixels)
    content = _read(path, int(BYTES_PER_PIXEL * max_pixels) + METADATA_BYTES)
    return decode_image(content, max_pixels=max_pixels, upright=upright, name=path)


def decode_image(
    content: bytes,
    *,
    max_pixels: int = 100_000_000,
    upright: bool = True,
    name: str | PathLike[str] = "the content",
) -> NDArray[np.uint8]:
    """`read_image` for the bytes of an image file, such as an upload.

    Args:
        content: All of the file.
        max_pixels: A header that claims more is refused before anything is decoded.
        upright: False leaves the pixels as they are stored.
        name: What messages call it.

    Raises:
        SourceError: It is no image, truncated, damaged or too large.
    """
    check_max_pixels(max_pixels)
    width, height = _claimed_size(content)
    if width <= 0 or height <= 0:
        what = "is no image of a known format" if content else "is empty"
        raise SourceError(f"{name} {what}")
    _check_size(name, width, height, max_pixels)
    found = damage(content)
    if found is not None:
        raise SourceError(f"{name} {found}")
    image = _decode(name, content, max_pixels, upright=upright)
    _check_size(name, image.shape[1], image.shape[0], max_pixels)
    return image


def check_max_pixels(max_pixels: float) -> None:
    """Make sure that a limit is one: NaN would switch it off.

    Raises:
        ValueError: It is no number from 1 on.
    """
    if not 1 <= max_pixels < float("inf"):
        raise ValueError(f"max_pixels must be at least 1 and finite, got {max_pixels}")


def iterate_images(
    paths: list[Path], *, max_pixels: int = 100_000_000
) -> Iterator[tuple[Path, NDArray[np.uint8] | SourceError]]:
    """Each path with its image, or with the reason why there is none."""
    for path in paths:
        try:
            yield path, read_image(path, max_pixels=max_pixels)
        except SourceError as exc:
            yield path, exc


def _read(path: str | PathLike[str], most: int) -> bytes:
    """A file's bytes, at most so many; a picture's are there, whatever lies behind it."""
    try:
        # A named pipe waits for ever, a device may have no end.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise SourceError(f"cannot read image {path}: it is no file")
        with Path(path).open("rb") as file:
            start = file.read(UNKNOWN_START_BYTES)
            if picture_format(start[:START_BYTES]) is None and _claimed_size(start) == (-1, -1):
                return start
            file.seek(0)
            return _read_picture(file, most)
    except SourceError:
        raise
    except ValueError as exc:
        raise SourceError(f"cannot read image {os.fspath(path)!r}: {exc}") from exc
    except OSError as exc:
        raise SourceError(f"cannot read image {path}: {exc.strerror}") from exc


def _read_picture(file: BinaryIO, most: int) -> bytes:
    """A picture, and not all that may lie behind it."""
    content = file.read(min(FIRST_BYTES, most))
    ends = picture_format(content[:START_BYTES]) in ENDING
    while len(content) >= FIRST_BYTES and len(content) < most:
        if ends and damage(content) != TRUNCATED:
            break
        more = file.read(min(3 * len(content), most - len(content)))
        if not more:
            break
        content += more
    return content


def _decode(
    path: str | PathLike[str], content: bytes, max_pixels: int, *, upright: bool
) -> NDArray[np.uint8]:
    if picture_format(content[:START_BYTES]) == "heif":
        return _decode_heif(path, content, max_pixels)
    if picture_format(content[:START_BYTES]) == "webp":
        content = webp_bytes.pixels_last(content)
    flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        decoded: Any = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as exc:
        raise SourceError(f"cannot decode image {path}: {exc.err}") from exc
    if decoded is None:
        raise SourceError(f"cannot decode image {path}: it is damaged or of an unknown format")
    image: NDArray[np.uint8] = decoded
    return image


def _decode_heif(path: str | PathLike[str], content: bytes, max_pixels: int) -> NDArray[np.uint8]:
    try:
        from litepose_edge.sources.heif import decode_heif, heif_size
    except ImportError as exc:
        raise SourceError(
            f"{path} is a HEIC picture, and pillow-heif, which reads them, is not installed. "
            f"{install_hint('heic')}"
        ) from exc
    try:
        # Of a picture in tiles, only the plug-in knows the whole size.
        _check_size(path, *heif_size(content), max_pixels)
        return decode_heif(content)
    except (ValueError, RuntimeError, EOFError) as exc:
        raise SourceError(f"cannot decode image {path}: {exc}") from exc


def _check_size(path: str | PathLike[str], width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise SourceError(
            f"{path} claims {width}x{height} pixels, more than the {max_pixels} allowed "
            "(max_pixels)"
        )


def _claimed_size(content: bytes) -> tuple[int, int]:
    import imagesize  # here: a caller with frames in memory need not wait for the import

    try:
        width, height = imagesize.get(io.BytesIO(content))
    except Exception:  # noqa: BLE001 - whatever a damaged header raises, it is no image
        return -1, -1
    return int(width), int(height)
