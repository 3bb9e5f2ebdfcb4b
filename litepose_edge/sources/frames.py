"""Opens anything that gives frames, and gives them one by one with their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import SourceError
from litepose_edge.sources.images import IMAGE_SUFFIXES, list_images, read_image

Image = NDArray[np.uint8]

URL_SCHEMES = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "tcp://")
ASSUMED_FPS = 30.0
# Containers often count a frame or two more than they hold.
COUNT_SLACK = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source.

    Attributes:
        image: `(H, W, 3)` uint8 BGR.
        index: Its number in the source, from 0; dropped frames leave gaps.
        timestamp_s: Its time from the start of the source, in seconds.
        name: The file it came from, where each frame is a file.
    """

    image: Image
    index: int
    timestamp_s: float
    name: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FrameSource:
    """An opened source.

    Attributes:
        name: What it is called in messages.
        frames: The frames; raises `SourceError` where the source breaks off.
        live: Whether it goes on without waiting for the reader, as cameras do.
        count: How many frames it says to have; None where it cannot know.
        fps: Frames a second; 30 where it does not say.
    """

    name: str
    frames: Iterator[Frame]
    live: bool = False
    count: int | None = None
    fps: float = ASSUMED_FPS

    def close(self) -> None:
        """Let go of the file or camera; closing twice is fine."""
        with suppress(AttributeError, ValueError):
            self.frames.close()  # type: ignore[attr-defined]


Source = int | str | PathLike[str] | Sequence[Any] | Iterable[Any] | FrameSource


def open_source(source: Source, *, max_pixels: int = 100_000_000) -> FrameSource:
    """Open a source of frames.

    Args:
        source: An image, folder of images, glob pattern or video file; a camera's number; an
            RTSP or HTTP URL; any iterable of paths and `(H, W, 3)` uint8 BGR arrays; or an opened
            source.
        max_pixels: Larger images are refused before they are decoded.

    Raises:
        SourceError: There is no such source, or it cannot be opened.
        TypeError: It is nothing that frames can come from.
    """
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, bool):
        raise TypeError("a source is a path, a URL, a camera number or an iterable, not a bool")
    if isinstance(source, int):
        return _capture(source, f"camera {source}", live=True)
    if isinstance(source, str | PathLike):
        return _open_path(fspath(source), max_pixels)
    if isinstance(source, np.ndarray):
        if source.ndim != 3:
            raise TypeError(f"one frame is an (H, W, 3) array, got {source.shape}")
        source = [source]
    if isinstance(source, Sequence):
        return FrameSource("the list", _from_items(source, max_pixels), count=len(source))
    if isinstance(source, Iterable):
        return FrameSource("the iterable", _from_items(source, max_pixels))
    raise TypeError(
        "a source is a path, a URL, a camera number or an iterable of frames, "
        f"not {type(source).__name__}"
    )


def _open_path(source: str, max_pixels: int) -> FrameSource:
    if source.startswith(URL_SCHEMES):
        return _capture(source, source, live=True)
    path = Path(source)
    if path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES:
        return _capture(source, source, live=False)
    files = list_images(source)
    return FrameSource(source, _from_items(files, max_pixels), count=len(files))


def is_video(source: str) -> bool:
    """Whether a source named on a command line is a video, camera or URL, not images."""
    if source.startswith(URL_SCHEMES) or (source.isdecimal() and not Path(source).exists()):
        return True
    path = Path(source)
    return path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES


def _from_items(items: Iterable[Any], max_pixels: int) -> Iterator[Frame]:
    for index, item in enumerate(items):
        timestamp_s = index / ASSUMED_FPS
        if isinstance(item, str | PathLike):
            image = read_image(item, max_pixels=max_pixels)
            yield Frame(image, index, timestamp_s, fspath(item))
        else:
            yield Frame(item, index, timestamp_s)


def _capture(source: int | str, name: str, *, live: bool) -> FrameSource:
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"cannot open {name}: no such camera or stream, or an unknown format")
    fps = capture.get(cv2.CAP_PROP_FPS)
    fps = fps if 0 < fps < 1000 else ASSUMED_FPS
    claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    count = claimed if not live and claimed > 0 else None
    return FrameSource(name, _from_capture(capture, name, count, fps), live, count, fps)


def _from_capture(
    capture: cv2.VideoCapture, name: str, count: int | None, fps: float
) -> Iterator[Frame]:
    last_s, index = -1.0, 0
    try:
        while True:
            good, image = capture.read()
            if not good:
                break
            position_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Not every container knows its times; the tracker needs growing ones.
            timestamp_s = position_s if position_s > last_s else last_s + 1 / fps
            timestamp_s = max(timestamp_s, 0.0)
            yield Frame(np.asarray(image, np.uint8), index, timestamp_s)
            last_s, index = timestamp_s, index + 1
    finally:
        capture.release()
    if index == 0:
        raise SourceError(f"{name} holds no frame that can be decoded")
    if count is not None and index < count - max(2, COUNT_SLACK * count):
        raise SourceError(f"{name} breaks off after {index} of {count} frames: it is damaged")
