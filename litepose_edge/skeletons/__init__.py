"""Keypoint sets: the known ones by name, and those of files."""

from litepose_edge.skeletons.known import KNOWN, skeleton_named, skeleton_of
from litepose_edge.skeletons.others import AP10K_17, HAND_21, WHOLEBODY_133
from litepose_edge.skeletons.people import COCO_17, CROWDPOSE_14, HALPE_26, MPII_16
from litepose_edge.skeletons.skeleton import Side, Skeleton, side_of

__all__ = [
    "AP10K_17",
    "COCO_17",
    "CROWDPOSE_14",
    "HALPE_26",
    "HAND_21",
    "KNOWN",
    "MPII_16",
    "WHOLEBODY_133",
    "Side",
    "Skeleton",
    "side_of",
    "skeleton_named",
    "skeleton_of",
]
