"""A batch of training crops: the values that pass from samplers to the pose loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from litepose_edge.skeletons import COCO_17

FLIP_PERMUTATION = np.array(COCO_17.flip_permutation)
PSEUDO_LABEL_WEIGHT = 0.5
# Where keypoints lie that a crop is known not to show: their heatmaps come out empty.
ABSENT_XY = -1e4
# Of the teacher's maps in a batch: input pixels a cell, and the spread of peaks in cells.
TEACHER_MAP_STRIDE = 8
TEACHER_MAP_SIGMA = 1.03


@dataclass(frozen=True, slots=True)
class PoseBatch:
    """One optimiser step's worth of crops.

    Attributes:
        crops: `(N, H, W, 3)` uint8 RGB.
        points: `(N, K, 2)` float32, keypoints in input pixels.
        weights: `(N, K)` float32; 0 ignored, 0.5 a pseudo-label, 1 labelled by people.
        maps: `(N, K, 32, 24)` uint8, the teacher's maps, or None without a teacher.
        to_teacher: `(N, 2, 3)` float32, input pixels to the teacher's input pixels.
    """

    crops: Tensor
    points: Tensor
    weights: Tensor
    maps: Tensor | None
    to_teacher: Tensor
