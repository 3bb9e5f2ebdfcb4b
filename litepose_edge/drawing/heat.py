"""What a pose network saw: its input, and the heat in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.drawing.labels import Labels

Float32 = NDArray[np.float32]

LEAST_CAPITAL, TITLE = 11, 36  # pixels; of a picture's height for one of a capital letter
GROUND = (40, 40, 40)
MOST_HEAT = 0.85  # of the colour where the heat is 1; the rest is the picture
DARK = 0.45  # of the picture's light below the heat


def enlarged(crop: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """A crop at so many pixels of height."""
    width = max(round(crop.shape[1] * height / crop.shape[0]), 1)
    return cv2.resize(crop, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def titled(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """A copy of a picture with a text in its left upper corner."""
    canvas = picture.copy()
    height = max(LEAST_CAPITAL, round(canvas.shape[0] / TITLE))
    Labels(canvas, height).write(text, (0, 0, canvas.shape[1], canvas.shape[0]), GROUND)
    return canvas


def draw_heat(picture: NDArray[np.uint8], heat: Float32) -> NDArray[np.uint8]:
    """A darkened copy of a picture with heat glowing in it.

    Args:
        picture: `(H, W, 3)` uint8 BGR.
        heat: `(K, h, w)` float32 in `[0, 1]` of the same view; where maps overlap the hottest
            counts.
    """
    rows, columns = picture.shape[:2]
    hottest = cv2.resize(heat.max(axis=0), (columns, rows), interpolation=cv2.INTER_LINEAR)
    strength = np.clip(hottest, 0, 1)
    colours = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = (strength.astype(np.float32) * np.float32(MOST_HEAT))[..., None]
    drawn: Float32 = picture * (np.float32(DARK) * (1 - opacity)) + colours * opacity
    return np.clip(drawn.round(), 0, 255).astype(np.uint8)
