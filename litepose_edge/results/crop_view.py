"""What a pose network saw of one person, for finding out why a keypoint is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32
from litepose_edge.options import real_number, whole_number
from litepose_edge.skeletons import Skeleton

LEAST_HEIGHT, MOST_HEIGHT = 32, 4096
LEAST_PEAK = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class CropView:
    """One person's crop and the heat that the network gives for each keypoint.

    Attributes:
        crop: `(H, W, 3)` uint8 BGR, the network's input as a picture.
        heat: `(K, h, w)` float32 in `[0, 1]`, a map a keypoint, over the whole crop.
        keypoints: `(K, 2)` float32 in pixels of the crop.
        scores: `(K,)` float32 in `[0, 1]`.
        skeleton: Names and bones of the keypoints.
        min_keypoint_score: A keypoint of at least this score is visible.
    """

    crop: NDArray[np.uint8]
    heat: Float32
    keypoints: Float32
    scores: Float32
    skeleton: Skeleton
    min_keypoint_score: float

    def draw(
        self, keypoint: str | None = None, *, height: int = 512, min_score: float | None = None
    ) -> NDArray[np.uint8]:
        """The crop with the skeleton, and beside it the heat.

        Args:
            keypoint: Show the heat of this one alone, relative to its peak, with its score.
            height: Of the picture, in pixels.
            min_score: Keypoints below are not drawn; `min_keypoint_score` unless given.

        Returns:
            `(height, about 2 * height * W / H, 3)` uint8 BGR.

        Raises:
            UnknownKeypointError: There is no such keypoint.
            ValueError: A number is out of range.
        """
        from litepose_edge import drawing

        height = whole_number("height", height, LEAST_HEIGHT, MOST_HEIGHT)
        least = self.min_keypoint_score if min_score is None else min_score
        least = real_number("min_score", least, 0, 1)
        picture = drawing.enlarged(self.crop, height)
        # Pixel centres are integers: the crop's edge is half a pixel before its first one.
        scale = np.float32(height / self.crop.shape[0])
        points = (self.keypoints + np.float32(0.5)) * scale - np.float32(0.5)
        left = drawing.draw_people(
            picture, points[None], self.scores[None], self.skeleton, min_score=least
        )
        if keypoint is None:
            right = drawing.draw_heat(picture, self.heat)
            return np.hstack([left, drawing.draw_keypoints(right, points, self.scores >= least)])
        i = self.skeleton.index(keypoint)
        heat = self.heat[i : i + 1]
        right = drawing.draw_heat(picture, heat / max(float(heat.max()), LEAST_PEAK))
        right = drawing.draw_keypoints(right, points, np.arange(len(points)) == i)
        return np.hstack([left, drawing.titled(right, f"{keypoint} {self.scores[i]:.2f}")])

    def _repr_png_(self) -> bytes:
        from litepose_edge.drawing import png

        return png(self.draw())
