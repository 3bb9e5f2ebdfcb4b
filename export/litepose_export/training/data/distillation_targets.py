"""What a teacher network says of the training people, and the file it is kept in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.atomic_files import replacing
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import BOX_PADDING
from litepose_export.training.data.array_file import MADE_AGAIN, read_arrays

TEACHER_INPUT = Size(192, 256)
TARGETS_FORMAT = 2  # 1 took the maps of every teacher for centred ones


@dataclass(frozen=True, slots=True)
class DistillationTargets:
    """A teacher's heatmaps and pseudo-labels of every training person.

    Attributes:
        maps: `(N, K, 32, 24)` uint8, heatmaps over the padded boxes, 255 = certain; their
            cells tile the boxes (alignment `"centre"`), whatever the teacher's do.
        keypoints: `(N, K, 3)` float32 `(x, y, score)` in photograph pixels.
        trusted: `(N, K)` bool: confident, concentrated, and placed alike by a second teacher.
    """

    maps: NDArray[np.uint8]
    keypoints: Float32
    trusted: NDArray[np.bool_]


def to_teacher_input(boxes_xyxy: Float32) -> Float64:
    """`(..., 2, 3)`, photograph pixels to the teacher's input pixels, of `(..., 4)` boxes."""
    return geometry.crop_affine(boxes_xyxy, TEACHER_INPUT, BOX_PADDING)


def save_distillation_targets(targets: DistillationTargets, path: Path, made_of: str) -> None:
    """Write targets to an uncompressed `.npz`.

    Args:
        targets: What to keep.
        path: The file.
        made_of: `hash_people` of the people and the teachers.
    """
    with replacing(path) as partial:
        np.savez(
            partial,
            format=TARGETS_FORMAT,
            made_of=made_of,
            maps=targets.maps,
            keypoints=targets.keypoints,
            trusted=targets.trusted,
        )


def load_distillation_targets(path: Path, made_of: str | None) -> DistillationTargets | None:
    """Read what `save_distillation_targets` wrote.

    Args:
        path: The file.
        made_of: `hash_people` of the people and the teachers; None takes those of any.

    Returns:
        None if an older version wrote it, or of other people or teachers.

    Raises:
        ExportError: The file is damaged.
    """
    stored = read_arrays(path, ("maps", "keypoints", "trusted"), MADE_AGAIN)
    if "format" not in stored or stored["format"] != TARGETS_FORMAT:
        return None
    if made_of is not None and stored.get("made_of") != made_of:
        return None
    return DistillationTargets(stored["maps"], stored["keypoints"], stored["trusted"])
