"""Texts at people's boxes: on a ground of the person's colour, beside those already there."""

from __future__ import annotations

import re

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.drawing.palette import Colour, text_colour

FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPITAL = 22  # pixels of a capital at scale 1
Rectangle = tuple[int, int, int, int]


class Labels:
    """Writes labels onto a canvas so that they do not cover each other where there is room.

    Args:
        canvas: `(H, W, 3)` uint8, written on.
        height: Of a capital letter, in pixels.
    """

    def __init__(self, canvas: NDArray[np.uint8], height: int) -> None:
        self._canvas = canvas
        self._scale = height / CAPITAL
        self._stroke = max(1, round(height / 9))
        self._pad = max(2, round(height / 4))
        self._taken: list[Rectangle] = []

    def write(self, text: str, box: Rectangle, colour: Colour) -> None:
        """Write a text at a box: above its left corner, or where that is taken beside it."""
        text = re.sub(r"\s*[\r\n]+\s*", " ", text)  # one line
        (width, height), below = cv2.getTextSize(text, FONT, self._scale, self._stroke)
        width, height = width + 2 * self._pad, height + below // 2 + 2 * self._pad
        x1, y1, x2, y2 = box
        places = (
            (x1, y1 - height), (x2 - width, y1 - height), (x1, y1), (x1, y2), (x2 - width, y2),
            (x2, y1), (x1 - width, y1), (x1, y1 - 2 * height), (x1, y2 + height),
        )  # fmt: skip
        place = min((self._inside(x, y, width, height) for x, y in places), key=self._covered)
        self._taken.append(place)
        left, top, right, bottom = place
        cv2.rectangle(self._canvas, (left, top), (right - 1, bottom - 1), colour, -1)
        base = (left + self._pad, bottom - self._pad - below // 2)
        ink = text_colour(colour)
        cv2.putText(self._canvas, text, base, FONT, self._scale, ink, self._stroke, cv2.LINE_AA)

    def _inside(self, x: int, y: int, width: int, height: int) -> Rectangle:
        rows, columns = self._canvas.shape[:2]
        left, top = max(min(x, columns - width), 0), max(min(y, rows - height), 0)
        return left, top, left + width, top + height

    def _covered(self, place: Rectangle) -> int:
        """Pixels of other labels under a place; of equal ones the first is taken."""
        left, top, right, bottom = place
        return sum(
            max(min(right, x2) - max(left, x1), 0) * max(min(bottom, y2) - max(top, y1), 0)
            for x1, y1, x2, y2 in self._taken
        )
