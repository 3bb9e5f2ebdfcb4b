"""Where tracked people were in the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.drawing.palette import Colour
from litepose_edge.options import real_number

ASSUMED_FPS = 30.0
LATEST_S = 1e12
FRACTION_BITS = 4
Place = tuple[float, float, float]  # time in seconds, x, y


class Tracked(Protocol):
    """What trails are made of (`results.Poses`)."""

    @property
    def boxes_xyxy(self) -> NDArray[np.float32]:
        """`(P, 4)` in pixels."""

    @property
    def track_ids(self) -> NDArray[np.int64] | None:
        """`(P,)`, or None where nothing tracks."""


class Trails:
    """The paths of one camera's tracked people; give it to `Poses.draw` on every frame.

    A path follows the middle of a person's box, and ends `length_s` ago.

    Args:
        length_s: How long paths are, in seconds.

    Raises:
        ValueError: The length is no number above 0.
    """

    def __init__(self, length_s: float = 2.0) -> None:
        self.length_s = real_number("length_s", length_s, 0)
        self._paths: dict[int, deque[Place]] = {}
        self._now = -1 / ASSUMED_FPS

    def update(self, poses: Tracked, timestamp_s: float | None = None) -> Trails:
        """Add where people are now.

        Args:
            poses: Of the next frame. People without ids leave no trail.
            timestamp_s: When it was taken; 1/30 s after the frame before unless given.

        Returns:
            Itself: `poses.draw(frame, trails=trails.update(poses, timestamp_s))`.

        Raises:
            ValueError: The time is no finite number.
        """
        now = self._now + 1 / ASSUMED_FPS
        if timestamp_s is not None:
            now = real_number("timestamp_s", timestamp_s, -LATEST_S, LATEST_S)
        self._now = now
        if poses.track_ids is not None:
            middles = (poses.boxes_xyxy[:, :2] + poses.boxes_xyxy[:, 2:]) / 2
            for track_id, (x, y) in zip(poses.track_ids.tolist(), middles.tolist(), strict=True):
                self._paths.setdefault(track_id, deque()).append((now, x, y))
        for track_id, path in list(self._paths.items()):
            while path and path[0][0] < now - self.length_s:
                path.popleft()
            if not path:
                del self._paths[track_id]
        return self

    def draw(
        self, canvas: NDArray[np.uint8], colour_of: Callable[[int], Colour], thickness: int
    ) -> None:
        """Draw all paths onto a canvas, thin at their old ends.

        Args:
            canvas: `(H, W, 3)` uint8, drawn on.
            colour_of: A person's colour, by id.
            thickness: Of the new ends, in pixels.
        """
        limit = 4.0 * max(canvas.shape)  # OpenCV takes no places far away
        for track_id, path in self._paths.items():
            places = list(path)
            for before, after in pairwise(places):
                age = (self._now - after[0]) / max(self.length_s, 1e-9)
                width = max(1, round(thickness * (1 - age)))
                ends = [
                    tuple(round(min(max(v, -limit), limit) * 2**FRACTION_BITS) for v in (x, y))
                    for _, x, y in (before, after)
                ]
                cv2.line(
                    canvas, ends[0], ends[1], colour_of(track_id), width, cv2.LINE_AA, FRACTION_BITS
                )
