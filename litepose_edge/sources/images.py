"""Reads images: checks the size before decoding, turns them upright, detects damage."""

from __future__ import annotations

import glob
import io
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import SourceError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def list_images(source: str | PathLike[str]) -> list[Path]:
    """The image files a source names: a file, a folder's images, or what matches a pattern.

    Raises:
        SourceError: There is no such file or folder, or it holds no images.
    """
    path = Path(source)
    if not path.exists() and glob.has_magic(str(source)):
        matching = sorted(Path(p) for p in glob.glob(str(source), recursive=True))  # noqa: PTH207 - patterns may be absolute
        if not matching:
            raise SourceError(f"no file matches {source}")
        return matching
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise SourceError(f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
        return found
    if not path.exists():
        raise SourceError(f"no such file or folder: {path}")
    return [path]


def read_image(
    path: str | PathLike[str], *, max_pixels: int = 100_000_000, upright: bool = True
) -> NDArray[np.uint8]:
    """Read an image file as `(H, W, 3)` uint8 BGR, turned upright by its EXIF orientation.

    Args:
        path: The file.
        upright: False leaves the pixels as they are stored: COCO's labels are made that way.
        max_pixels: A header that claims more is refused before anything is decoded: a 1 MB PNG
            can unpack to gigabytes.

    Raises:
        SourceError: The file is missing, no image, truncated, or too large.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as exc:
        raise SourceError(f"cannot read image {path}: {exc.strerror}") from exc
    width, height = _claimed_size(content)
    if width <= 0 or height <= 0:
        raise SourceError(f"{path} is no image of a known format")
    if width * height > max_pixels:
        raise SourceError(
            f"{path} claims {width}x{height} pixels, more than the {max_pixels} allowed "
            "(max_pixels)"
        )
    if _is_truncated(content):
        raise SourceError(f"{path} is truncated")
    flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        decoded: Any = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as exc:
        raise SourceError(f"cannot decode image {path}: {exc.err}") from exc
    if decoded is None:
        raise SourceError(f"cannot decode image {path}: it is damaged or of an unknown format")
    image: NDArray[np.uint8] = decoded
    return image


def iterate_images(
    paths: list[Path], *, max_pixels: int = 100_000_000
) -> Iterator[tuple[Path, NDArray[np.uint8] | SourceError]]:
    """Each path with its image, or with the reason why there is none."""
    for path in paths:
        try:
            yield path, read_image(path, max_pixels=max_pixels)
        except SourceError as exc:
            yield path, exc


def _claimed_size(content: bytes) -> tuple[int, int]:
    import imagesize  # here: a caller with frames in memory need not wait for the import

    try:
        width, height = imagesize.get(io.BytesIO(content))
    except Exception:  # noqa: BLE001 - whatever a damaged header raises, it is no image
        return -1, -1
    return int(width), int(height)


def _is_truncated(content: bytes) -> bool:
    """Whether the end mark is missing: OpenCV silently pads a truncated JPEG or PNG with grey."""
    if content.startswith(b"\xff\xd8"):
        # A thumbnail has an end mark of its own, before the picture's scan begins.
        return content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-64:]
    return False
