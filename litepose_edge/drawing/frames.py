"""The picture that is drawn on, and PNGs of what was drawn."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import InvalidImageError
from litepose_edge.geometry import Size

PLAIN = 48  # dark grey


def check_size(frame: NDArray[np.uint8], size: Size) -> None:
    """Whether people of an image of this size can be drawn on a frame.

    Raises:
        InvalidImageError: It is of another size.
    """
    if Size.of(frame) != size:
        raise InvalidImageError(
            f"the poses are of a {size.width}x{size.height} image, the frame is "
            f"{frame.shape[1]}x{frame.shape[0]}: draw first, resize afterwards"
        )


def png(image: NDArray[np.uint8]) -> bytes:
    """An image as the bytes of a PNG."""
    done, encoded = cv2.imencode(".png", image)
    assert done
    return encoded.tobytes()


def plain_ground(size: Size) -> NDArray[np.uint8]:
    """A dark grey image, to see people without their photograph."""
    return np.full((size.height, size.width, 3), PLAIN, np.uint8)
