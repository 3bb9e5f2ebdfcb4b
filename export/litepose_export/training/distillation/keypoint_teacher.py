"""Distillation targets from any pose network that the runtime runs: its keypoints as maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from litepose_edge import Estimator, geometry
from litepose_edge.backends import Backend
from litepose_edge.geometry import Float32
from litepose_edge.skeletons import Skeleton
from litepose_export.errors import ExportError
from litepose_export.training.core.pose_batch import TEACHER_MAP_SIGMA, TEACHER_MAP_STRIDE
from litepose_export.training.core.targets import gaussian_maps
from litepose_export.training.data.distillation_targets import (
    TEACHER_INPUT,
    DistillationTargets,
    to_teacher_input,
)
from litepose_export.training.data.people import People

# From this score on a teacher's keypoint stands in for a missing label.
TRUSTED_SCORE = 0.5


def distill_keypoints(
    people: People, path: Path, progress: Callable[[], None]
) -> DistillationTargets:
    """What a pose network says of every person, drawn as maps as high as its scores.

    Args:
        people: Whom to run it on, each in their labelled box.
        path: A model that `Estimator` runs in given boxes, or the name of a bundled one.
        progress: Called after each person.

    Raises:
        ExportError: It finds other keypoints than the people's labels.
        ModelError: The file is not there, or no network.
        BackendUnavailableError: The runtime for its format is not installed.
    """
    backend: Backend = "openvino" if path.suffix in (".xml", ".tflite") else "onnxruntime"
    points = np.zeros(people.keypoints.shape, np.float32)
    # As text: a name is that of a bundled model.
    with Estimator(str(path), detector=None, backend=backend) as teacher:
        for number, image in enumerate(people.images):
            here = np.flatnonzero(people.image_index == number)
            if not len(here):
                continue
            poses = teacher.predict(image, boxes_xyxy=people.boxes_xyxy[here])
            _check_skeleton(poses.skeleton, people.skeleton, path)
            points[here, :, :2], points[here, :, 2] = poses.keypoints, poses.scores
            for _ in here:
                progress()
    return DistillationTargets(
        _maps(points, people.boxes_xyxy), points, points[..., 2] >= TRUSTED_SCORE
    )


def _check_skeleton(found: Skeleton, labelled: Skeleton, path: Path) -> None:
    if found.keypoint_names != labelled.keypoint_names:
        raise ExportError(
            f"the teacher {path} finds {len(found)} keypoints ({found.name}), the data label "
            f"{len(labelled)} ({labelled.name}): leave out --teacher, or give one for these"
        )


def _maps(points: Float32, boxes_xyxy: Float32) -> NDArray[np.uint8]:
    """`(N, K, 32, 24)` uint8 of `(N, K, 3)` keypoints with scores, over the padded boxes."""
    height, width = (n // TEACHER_MAP_STRIDE for n in (TEACHER_INPUT.height, TEACHER_INPUT.width))
    maps = np.empty((*points.shape[:2], height, width), np.uint8)
    for person, box in enumerate(boxes_xyxy):
        at = geometry.transform(to_teacher_input(box), points[person, :, :2])
        cells = torch.from_numpy((at + 0.5) / TEACHER_MAP_STRIDE - 0.5).float()[None]
        drawn = gaussian_maps(cells, height, width, TEACHER_MAP_SIGMA)[0].numpy()
        maps[person] = drawn * points[person, :, 2, None, None] * 255 + 0.5
    return maps
