"""One person, whose keypoints have names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32
from litepose_edge.manifest.parts import MIN_KEYPOINT_SCORE
from litepose_edge.results import measures
from litepose_edge.skeletons import Skeleton


class Keypoint(NamedTuple):
    """One keypoint.

    Attributes:
        x: Pixels from the left; pixel centres are integers.
        y: Pixels from the top.
        score: In `[0, 1]`.
    """

    x: float
    y: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person: a row of `Poses`. `person["nose"]` is a `Keypoint`.

    Attributes:
        keypoints: `(K, 2)` float32 `(x, y)` in pixels.
        scores: `(K,)` float32 in `[0, 1]`.
        box_xyxy: `(4,)` float32 in pixels.
        score: Confidence in the whole person, in `[0, 1]`.
        track_id: Identity over time, or None where nothing tracks.
        skeleton: Names and bones of the keypoints.
        min_keypoint_score: A keypoint of at least this score is visible.
    """

    keypoints: Float32
    scores: Float32
    box_xyxy: Float32
    score: float
    track_id: int | None
    skeleton: Skeleton
    min_keypoint_score: float = MIN_KEYPOINT_SCORE

    def __getitem__(self, name: str | int) -> Keypoint:
        """A keypoint by its name or its index.

        Raises:
            UnknownKeypointError: There is none of that name, or it is no name and no index.
            IndexError: The index is out of range.
        """
        whole = isinstance(name, int | np.integer) and not isinstance(name, bool)
        i = int(name) if whole else self.skeleton.index(name)  # type: ignore[arg-type]
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.skeleton.name} has {len(self)} keypoints, from 0; got {i}")
        x, y = self.keypoints[i].tolist()
        return Keypoint(x, y, float(self.scores[i]))

    def __contains__(self, name: object) -> bool:
        """Whether the skeleton has a keypoint of that name, visible or not."""
        return name in self.skeleton.keypoint_names

    def __iter__(self) -> Iterator[Keypoint]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        """How many keypoints there are, visible or not."""
        return len(self.keypoints)

    def __repr__(self) -> str:
        name = "" if self.track_id is None else f"id {self.track_id}, "
        seen = f"{int(self.visible.sum())} of {len(self)} keypoints visible"
        return f"Person({name}score {self.score:.2f}, {seen})"

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """One name a keypoint, in the order of the arrays."""
        return self.skeleton.keypoint_names

    @property
    def visible(self) -> NDArray[np.bool_]:
        """`(K,)` bool: whether a keypoint's score is at least `min_keypoint_score`."""
        seen: NDArray[np.bool_] = self.scores >= self.min_keypoint_score
        return seen

    def sees(self, *names: str) -> bool:
        """Whether all these keypoints are visible.

        Raises:
            UnknownKeypointError: There is none of that name.
        """
        seen = self.visible
        return all(bool(seen[self.skeleton.index(name)]) for name in names)

    def angle(self, a: str, b: str, c: str) -> float:
        """The angle at keypoint `b` between the lines to `a` and `c`.

        Returns:
            Degrees in `[0, 180]`; NaN where one of the three is not visible.

        Raises:
            UnknownKeypointError: There is none of that name.
        """
        if not self.sees(a, b, c):
            return float("nan")
        return float(measures.angle(self[a], self[b], self[c]))

    def bone_lengths(self) -> Float32:
        """`(B,)` float32 pixels, one a bone of the skeleton (`skeleton.bone_names`).

        NaN where an end of the bone is not visible.
        """
        return measures.bone_lengths(self.keypoints, self.visible, self.skeleton.bones)
