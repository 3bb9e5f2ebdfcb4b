"""Where frames come from: image files, videos, cameras, URLs, the caller's own arrays."""

from litepose_edge.sources.frames import Frame, FrameSource, SourceCounts
from litepose_edge.sources.images import (
    IMAGE_SUFFIXES,
    decode_image,
    iterate_images,
    list_images,
    read_image,
)
from litepose_edge.sources.inputs import Colour, ImageLike, read_input
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
