"""The picture that is drawn on, and PNGs of what was drawn."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import InvalidImageError
from litepose_edge.geometry import Size

PLAIN = 48  # dark grey


def checked_frame(frame: object, size: Size) -> NDArray[np.uint8]:
    """A frame that people of an image of this size can be drawn on.

    Raises:
        InvalidImageError: It is not an `(H, W, 3)` uint8 array, or of another size.
    """
    if not isinstance(frame, np.ndarray):
        raise InvalidImageError(
            f"expected the (H, W, 3) uint8 frame to draw on, got {type(frame).__name__}"
        )
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise InvalidImageError(
            f"expected the (H, W, 3) uint8 frame to draw on, got {frame.shape} {frame.dtype}"
        )
    if Size.of(frame) != size:
        raise InvalidImageError(
            f"the poses are of a {size.width}x{size.height} image, the frame is "
            f"{frame.shape[1]}x{frame.shape[0]}: draw first, resize afterwards"
        )
    return frame


def png(image: NDArray[np.uint8]) -> bytes:
    """An image as the bytes of a PNG."""
    done, encoded = cv2.imencode(".png", image)
    assert done
    return encoded.tobytes()


def plain_ground(size: Size) -> NDArray[np.uint8]:
    """A dark grey image, to see people without their photograph."""
    return np.full((size.height, size.width, 3), PLAIN, np.uint8)
