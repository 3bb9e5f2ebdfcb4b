"""The keypoint sets the project knows by name, and by number of keypoints."""

from __future__ import annotations

from litepose_edge.skeletons.others import AP10K_17, HAND_21, WHOLEBODY_133
from litepose_edge.skeletons.people import COCO_17, CROWDPOSE_14, HALPE_26, MPII_16
from litepose_edge.skeletons.skeleton import Skeleton

# Of two sets with as many keypoints, the first is the usual one.
KNOWN = (COCO_17, MPII_16, CROWDPOSE_14, HALPE_26, HAND_21, WHOLEBODY_133, AP10K_17)


def skeleton_of(keypoints: int) -> Skeleton:
    """The usual keypoint set with that many keypoints.

    Raises:
        ValueError: None of the known ones.
    """
    for skeleton in KNOWN:
        if len(skeleton) == keypoints:
            return skeleton
    counts = ", ".join(str(count) for count in dict.fromkeys(len(known) for known in KNOWN))
    raise ValueError(
        f"no known keypoint set has {keypoints} keypoints (known: {counts}): give the set, as a "
        "JSON file or a COCO keypoint file"
    )


def skeleton_named(name: str) -> Skeleton | None:
    """A known keypoint set by its name, such as `"hand21"`; None if there is none."""
    return next((skeleton for skeleton in KNOWN if skeleton.name == name), None)
