"""What a keypoint set is: names, bones, mirror pairs, OKS sigmas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from typing import Literal

from litepose_edge.errors import UnknownKeypointError

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A keypoint set.

    Attributes:
        name: Short name, such as `"coco17"`.
        keypoint_names: One name per keypoint.
        bones: Pairs of keypoint indices to draw a line between.
        flip_pairs: Pairs of keypoint indices that trade places in a mirrored image.
        oks_sigmas: Per keypoint, the spread used by object keypoint similarity.
    """

    name: str
    keypoint_names: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...]
    oks_sigmas: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.keypoint_names)

    def index(self, keypoint_name: str) -> int:
        """Where a keypoint is in the arrays.

        Raises:
            UnknownKeypointError: There is none of that name.
        """
        if isinstance(keypoint_name, str) and keypoint_name in self.keypoint_names:
            return self.keypoint_names.index(keypoint_name)
        raise _unknown(keypoint_name, self)

    @property
    def bone_names(self) -> tuple[tuple[str, str], ...]:
        """The names of the two keypoints of each bone."""
        names = self.keypoint_names
        return tuple((names[first], names[second]) for first, second in self.bones)

    @property
    def flip_permutation(self) -> tuple[int, ...]:
        """Index of each keypoint's counterpart on the other side (itself where it has none)."""
        order = list(range(len(self)))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @staticmethod
    def from_coco(path: str | PathLike[str], *, name: str | None = None) -> Skeleton:
        """The keypoint set of a COCO keypoint file's category.

        Names and bones are the category's `keypoints` and `skeleton` (counted from 1); pairs are
        names that differ in left and right (`left_eye` and `right_eye`, `L_Paw` and `R_Paw`).
        Sigmas are the category's `sigmas` where it has them, those of the known set with the
        same names, or `DEFAULT_SIGMA` for all.

        Args:
            path: The annotation file.
            name: What to call the set; that of the known one, or the file's name, unless given.

        Raises:
            SourceError: The file cannot be read.
            SkeletonError: It holds no category with keypoints, or one that contradicts itself.
        """
        from litepose_edge.skeletons.reading import read_coco_skeleton

        return read_coco_skeleton(path, name)

    @staticmethod
    def from_file(path: str | PathLike[str]) -> Skeleton:
        """A keypoint set from a JSON file: its own fields, or a COCO keypoint file.

        Of its own fields only `keypoint_names` is needed; `name`, `bones` and `flip_pairs`
        (counted from 0) and `oks_sigmas` are the file's name, none, left and right by name, and
        `DEFAULT_SIGMA` for all unless given.

        Raises:
            SourceError: The file cannot be read.
            SkeletonError: It is neither, or contradicts itself.
        """
        from litepose_edge.skeletons.reading import read_skeleton

        return read_skeleton(path)


@lru_cache(maxsize=1024)
def side_of(keypoint_name: str) -> Side | None:
    """Which side of the body a name is of; None for the middle and for names that do not say."""
    for word in re.split(r"[\s_.\-]+", keypoint_name.lower()):
        if word in ("left", "l"):
            return "left"
        if word in ("right", "r"):
            return "right"
    return None


def _unknown(name: object, skeleton: Skeleton) -> UnknownKeypointError:
    from difflib import get_close_matches

    known = skeleton.keypoint_names
    if not isinstance(name, str):
        return UnknownKeypointError(
            f"expected the name of a keypoint, such as {known[0]!r}, got {name!r:.100}"
        )
    near = [n for n in known if name and name in n] or get_close_matches(name, known, n=2)
    listed = f"; did you mean {' or '.join(near)}?" if near else f": it has {', '.join(known)}"
    return UnknownKeypointError(f"no keypoint {name!r} in {skeleton.name}{listed:.600}")
