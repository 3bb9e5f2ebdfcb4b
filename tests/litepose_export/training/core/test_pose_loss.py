"""Targets of a batch: labels and a teacher's maps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge import geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.training.core import targets  # noqa: E402
from litepose_export.training.core.pose_loss import make_targets  # noqa: E402
from litepose_export.training.core.target_options import TargetOptions  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.distillation_targets import (  # noqa: E402
    TEACHER_INPUT,
    DistillationTargets,
    to_teacher_input,
)


def test_the_teachers_map_lands_on_the_label(people):
    """A teacher that agrees with the labels leaves the targets' peaks where they were."""
    rows, columns = TEACHER_INPUT.height // 8, TEACHER_INPUT.width // 8
    to_teacher = to_teacher_input(people.boxes_xyxy)
    cells = (geometry.transform(to_teacher, people.keypoints[..., :2]) + 0.5) / 8 - 0.5
    heat = targets.gaussian_maps(torch.from_numpy(cells).float(), rows, columns, 1.03)
    agreeing = DistillationTargets(
        maps=(heat * 255).round().numpy().astype(np.uint8),
        keypoints=np.concatenate(
            [people.keypoints[..., :2], np.ones((len(people), 17, 1))], axis=2
        ).astype(np.float32),
        trusted=np.ones((len(people), 17), np.bool_),
    )
    sampler = CropSampler(
        people, agreeing, Augmentation(cutout=0, half_body=0, background=0), seed=1
    )
    for size in (Size(96, 128), Size(192, 256)):
        batch = sampler.draw(8, size, (1.0,))
        own = make_targets(batch, TargetOptions(teacher_share=0))
        distilled = make_targets(batch, TargetOptions(teacher_share=1))
        clear = own.amax(dim=(2, 3)) > 0.6
        at_own = own.flatten(2).argmax(dim=2)
        at_teacher = distilled.flatten(2).argmax(dim=2)
        width = own.shape[3]
        distance = torch.maximum(
            (at_own // width - at_teacher // width).abs(),
            (at_own % width - at_teacher % width).abs(),
        )
        assert (distance[clear] <= 1).float().mean() > 0.97
