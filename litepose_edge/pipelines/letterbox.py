"""A whole image shrunk into a network's input by whole pixels, as one-stage networks learn it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float64, Size, reduction
from litepose_edge.preprocess import Image

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where an image lies in an input.

    Attributes:
        input_size: Of the input.
        left, top: Its first pixel there.
        size: Its size there.
        scale: Input pixels an image pixel, across and down: the size is rounded.
    """

    input_size: Size
    left: int
    top: int
    size: Size
    scale: tuple[float, float]

    @classmethod
    def fit(
        cls, image_size: Size, input_size: Size, placement: Literal["centre", "corner"]
    ) -> Letterbox:
        """The largest place that keeps the aspect ratio."""
        factor = min(input_size.width / image_size.width, input_size.height / image_size.height)
        width = min(max(round(image_size.width * factor), 1), input_size.width)
        height = min(max(round(image_size.height * factor), 1), input_size.height)
        left = top = 0
        if placement == "centre":
            left, top = (input_size.width - width) // 2, (input_size.height - height) // 2
        scale = width / image_size.width, height / image_size.height
        return cls(input_size, left, top, Size(width, height), scale)

    def draw(self, image: Image, fill: Colour, out: Image | None = None) -> Image:
        """The input's pixels.

        Args:
            image: `(H, W, 3)` uint8.
            fill: Colour beside the image.
            out: Result buffer `(height, width, 3)`, or None to allocate.
        """
        if out is None:
            out = np.empty((self.input_size.height, self.input_size.width, 3), np.uint8)
        right, bottom = self.left + self.size.width, self.top + self.size.height
        for border in (
            out[: self.top],
            out[bottom:],
            out[self.top : bottom, : self.left],
            out[self.top : bottom, right:],
        ):
            border[:] = fill
        place = out[self.top : bottom, self.left : right]
        block = reduction(min(self.scale))
        if block > 1:  # bilinear sampling alone would skip most pixels and alias
            halves = max(image.shape[1] // block, 1), max(image.shape[0] // block, 1)
            image = cv2.resize(image, halves, interpolation=cv2.INTER_AREA).astype(
                np.uint8, copy=False
            )
        cv2.resize(image, (self.size.width, self.size.height), dst=place)
        return out

    def to_image(self, points: NDArray[Any]) -> Float64:
        """`(..., 2)` points of the input, counted from its outer corner, in those of the image."""
        moved: Float64 = (points - np.array([self.left, self.top], np.float64)) / self.scale
        return moved
