"""Decodes HEIC and HEIF pictures; imported only where one is read (extra `heic`)."""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
from numpy.typing import NDArray


def heif_size(content: bytes) -> tuple[int, int]:
    """Width and height that the file claims; ValueError where it is damaged."""
    width, height = pillow_heif.open_heif(io.BytesIO(content)).size
    return int(width), int(height)


def decode_heif(content: bytes) -> NDArray[np.uint8]:
    """`(H, W, 3)` uint8 BGR, upright: the format itself holds how it is turned.

    Raises:
        ValueError: It is damaged.
    """
    picture = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=True, bgr_mode=True)
    return np.ascontiguousarray(np.asarray(picture)[..., :3], np.uint8)
