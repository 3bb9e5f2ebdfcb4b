"""Reads animated WebP and AVIF pictures, which OpenCV's video readers do not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from litepose_edge.atomic_files import read_file
from litepose_edge.errors import SourceError
from litepose_edge.sources.frames import Frame, FrameSource
from litepose_edge.sources.images import read_image

# Decoded at a time; what is decoded again with each further part is passed over quickly.
PIXELS_AT_ONCE, FRAMES_AT_ONCE = 50_000_000, 64
# What browsers take where a picture says to be shown for no time at all.
USUAL_MS = 100


def open_animation(path: Path, max_pixels: int) -> FrameSource:
    """The pictures of an animation, with their times.

    Raises:
        SourceError: It is damaged or too large.
    """
    first = read_image(path, max_pixels=max_pixels)
    content = np.frombuffer(read_file(path), np.uint8)
    at_once = max(1, min(FRAMES_AT_ONCE, PIXELS_AT_ONCE // (first.shape[0] * first.shape[1])))
    return FrameSource(str(path), _pictures(content, str(path), at_once), fps=1000 / USUAL_MS)


def _pictures(content: np.ndarray, name: str, at_once: int) -> Iterator[Frame]:
    index, now_ms = 0, 0
    while True:
        try:
            good, part = cv2.imdecodeanimation(content, index, at_once)
        except (AttributeError, cv2.error) as exc:
            raise SourceError(f"cannot decode the animation {name}: {exc}") from exc
        pictures = part.frames if good else ()
        for image, duration in zip(pictures, part.durations, strict=False):
            yield Frame(np.asarray(image[..., :3], np.uint8), index, now_ms / 1000)
            index, now_ms = index + 1, now_ms + (int(duration) or USUAL_MS)
        if len(pictures) < at_once:
            break
    if index == 0:
        raise SourceError(f"{name} holds no picture that can be decoded")
