"""The seam of all pipelines: a session provider and a manifest in, boxes or people out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from litepose_edge.backends.session import Session
from litepose_edge.geometry import Float32
from litepose_edge.preprocess import Image
from litepose_edge.results import Poses

if TYPE_CHECKING:
    from litepose_edge.results import CropView

# Opens a network with so many threads.
SessionProvider = Callable[[int], Session]


class BoxPipeline(Protocol):
    """Finds people's boxes in an image: a detector."""

    def __call__(self, image: Image, min_score: float) -> tuple[Float32, Float32]:
        """Boxes `(P, 4)` float32 xyxy in image pixels and scores `(P,)`, best first."""

    def close(self) -> None:
        """Free the networks; closing twice is fine."""


class CropPipeline(Protocol):
    """Finds the keypoints of the person in each box: a top-down pose network."""

    def __call__(
        self,
        image: Image,
        boxes_xyxy: Float32,
        *,
        detected: bool = False,
        least_scores: Float32 | None = None,
    ) -> tuple[Float32, Float32]:
        """Keypoints `(P, K, 2)` float32 in image pixels and scores `(P, K)`.

        A pose that scores less than its `least_scores` `(P,)` gets no flip test.
        """

    def views(self, image: Image, boxes_xyxy: Float32) -> list[CropView]:
        """What the network sees of the person in each box."""

    def close(self) -> None:
        """Free the networks; closing twice is fine."""


class ImagePipeline(Protocol):
    """Finds people and their keypoints in a whole image: a bottom-up or one-stage network."""

    def __call__(self, image: Image, min_score: float = 0.0) -> Poses:
        """Candidates in image pixels; `person_scores` is the confidence in each.

        Those below `min_score` may be left out.
        """

    def close(self) -> None:
        """Free the networks; closing twice is fine."""
