"""Where frames come from: image files, videos, cameras, URLs, the caller's own arrays."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from litepose_edge.sources.inputs import Colour, ImageLike, read_input

if TYPE_CHECKING:
    from litepose_edge.sources.frames import Frame, FrameSource, SourceCounts
    from litepose_edge.sources.images import (
        IMAGE_SUFFIXES,
        decode_image,
        iterate_images,
        list_images,
        read_image,
    )
    from litepose_edge.sources.opening import is_video, open_source
    from litepose_edge.sources.reader import Reader

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

# Imported when first wanted: a caller with frames in memory needs none of them.
_PLACES = {
    "frames": ("Frame", "FrameSource", "SourceCounts"),
    "images": ("IMAGE_SUFFIXES", "decode_image", "iterate_images", "list_images", "read_image"),
    "opening": ("is_video", "open_source"),
    "reader": ("Reader",),
}

if not TYPE_CHECKING:  # with these in sight, type checkers take any name

    def __getattr__(name: str) -> object:
        for module, names in _PLACES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
