"""Where frames come from: image files, videos, cameras, URLs, the caller's own arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litepose_edge.sources.frames import Frame, FrameSource, SourceCounts
from litepose_edge.sources.images import (
    IMAGE_SUFFIXES,
    decode_image,
    iterate_images,
    list_images,
    read_image,
)
from litepose_edge.sources.inputs import Colour, ImageLike, read_input
from litepose_edge.sources.reader import Reader

if TYPE_CHECKING:
    from litepose_edge.sources.opening import is_video, open_source

__all__ = [
    "IMAGE_SUFFIXES",
    "Colour",
    "Frame",
    "FrameSource",
    "ImageLike",
    "Reader",
    "SourceCounts",
    "decode_image",
    "is_video",
    "iterate_images",
    "list_images",
    "open_source",
    "read_image",
    "read_input",
]


def __getattr__(name: str) -> Any:
    """Functions that open films and cameras: what they need is imported when one is wanted."""
    if name not in ("is_video", "open_source"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from litepose_edge.sources import opening

    return getattr(opening, name)
