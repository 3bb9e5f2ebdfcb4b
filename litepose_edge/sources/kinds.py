"""Tells what a source is: by what lies there, not by how it is spelled."""

from __future__ import annotations

import enum
import mmap
import os
import re
import stat
from pathlib import Path, PurePath
from urllib.parse import SplitResult, unquote, urlsplit

from litepose_edge.errors import SourceError
from litepose_edge.sources.cameras import PIPELINE
from litepose_edge.sources.formats.picture_bytes import is_animated, picture_format
from litepose_edge.sources.images import IMAGE_SUFFIXES, first_bytes

URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# OpenCV adds a hundred for each of its ways to open a camera.
LAST_CAMERA = 9999
VIDEO4LINUX_MAJOR = 81
CAMERA_NAMES = re.compile(r"/dev/(video\d+|v4l/.+)")
MOTION_JPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})
FILM_SUFFIXES = MOTION_JPEG_SUFFIXES | frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"}
    | {".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
# How films begin: where, and with what. MP4 and MOV, AVI, Matroska and WebM, FLV, Ogg, MPEG
# program and elementary streams, ASF and WMV, transport streams with and without times, MXF.
_FILM_MARKS = (
    *((4, box) for box in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")),
    *((0, mark) for mark in (b"RIFF", b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS", b"\0\0\1")),
    *((0, mark) for mark in (b"0&\xb2u", b"G", b"\x06\x0e+4", b"YUV4MPEG2")),
    (4, b"G"),
)


class Kind(enum.Enum):
    """What opens a source."""

    IMAGES = enum.auto()
    ANIMATION = enum.auto()
    VIDEO = enum.auto()
    CAMERA = enum.auto()
    PIPELINE = enum.auto()
    URL = enum.auto()


def kind_of(source: str) -> Kind:
    """What a path, URL, pattern or camera number names; images where nothing lies there.

    Raises:
        SourceError: It lies there and gives no frames: a named pipe, a device, an empty file.
    """
    try:
        found = Path(source).stat() if source else None
    except (OSError, ValueError):
        return _kind_of_nothing(source)
    mode = found.st_mode if found else 0
    if stat.S_ISCHR(mode):
        if is_camera_device(source):
            return Kind.CAMERA
        raise SourceError(f"{source} is a device, but no camera: name a file, a camera or a URL")
    if stat.S_ISREG(mode):
        if found is not None and found.st_size == 0:  # also what the kernel writes when it is read
            raise SourceError(f"{source} is empty")
        return _kind_of_file(Path(source))
    if stat.S_ISDIR(mode) or mode == 0:
        return Kind.IMAGES
    raise SourceError(
        f"{source} is a named pipe, a socket or a disk, which cannot be read as a video: "
        "name a file, a camera or a URL"
    )


def _kind_of_nothing(source: str) -> Kind:
    if source.startswith(PIPELINE):
        return Kind.PIPELINE
    if URL.match(source):
        return Kind.URL
    if source.isascii() and source.isdecimal():
        return Kind.CAMERA
    if CAMERA_NAMES.fullmatch(source):
        raise SourceError(f"no such camera: {source}")
    return Kind.IMAGES


def is_film_name(source: str) -> bool:
    """Whether a path or URL is called as films are; nothing is opened."""
    try:
        path = urlsplit(source).path if "://" in source else source
    except ValueError:  # no URL after all
        return False
    return PurePath(path).suffix.lower() in FILM_SUFFIXES


def _kind_of_file(path: Path) -> Kind:
    start = first_bytes(path)
    found = picture_format(start)
    if found is None and path.suffix.lower() in IMAGE_SUFFIXES:
        # No picture, whatever its name; reading it as one says so.
        is_film = any(start.startswith(mark, place) for place, mark in _FILM_MARKS)
        return Kind.VIDEO if is_film else Kind.IMAGES
    # A film of JPEGs without a container begins as its first picture does.
    if found is None or (found == "jpeg" and path.suffix.lower() in MOTION_JPEG_SUFFIXES):
        return Kind.VIDEO
    if found in ("jpeg", "tiff", "bmp", "heif"):
        return Kind.IMAGES
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return Kind.ANIMATION if is_animated(content) else Kind.IMAGES


def is_camera_device(path: str) -> bool:
    """Whether a device file is a camera's, also through a link such as `/dev/v4l/by-id/...`."""
    try:
        return os.major(Path(path).stat().st_rdev) == VIDEO4LINUX_MAJOR
    except (AttributeError, OSError):
        return False


def camera_number(number: int) -> int:
    """A camera's number, checked.

    Raises:
        SourceError: There cannot be such a camera.
    """
    if not 0 <= number <= LAST_CAMERA:  # OpenCV ends the process on -1 where there is none
        raise SourceError(f"no camera {number}: cameras are numbered from 0 to {LAST_CAMERA}")
    return int(number)


def file_of_url(url: str) -> str | None:
    """The path that a `file://` URL names; None for other URLs.

    Raises:
        SourceError: It is no URL.
    """
    parts = split_url(url)
    return unquote(parts.path) if parts.scheme.lower() == "file" else None


def split_url(url: str) -> SplitResult:
    """A URL's parts.

    Raises:
        SourceError: It is none: a bracket without its other, say.
    """
    try:
        return urlsplit(url)
    except ValueError as exc:
        raise SourceError(f"{without_password(url)} is no URL: {exc}") from exc


def without_password(url: str) -> str:
    """A URL, or a text that holds some, as it may stand in messages and logs."""
    return re.sub(r"(?<=://)[^/?#\s]*@", "", url)
