"""Targets of a batch: labels and a teacher's maps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge import geometry  # noqa: E402
from litepose_edge.decoding.heatmaps import cells_to_input  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.training.core import pose_loss, targets  # noqa: E402
from litepose_export.training.core.pose_loss import PoseLoss, make_targets  # noqa: E402
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


@pytest.mark.parametrize("alignment", ["centre", "corner", "udp"])
def test_targets_lie_where_decoding_of_that_alignment_looks(alignment):
    size, stride = Size(96, 128), 4
    points = torch.tensor([[[0.0, 0.0], [47.5, 63.5], [95.0, 127.0], [20.0, 100.0]]])
    options = TargetOptions(stride=stride, alignment=alignment)
    scale, first = pose_loss.pixels_of_cells(size, options, points.device)
    cells = ((points - first) / scale).numpy()
    back = cells_to_input(cells, Size(24, 32), size, alignment)
    np.testing.assert_allclose(back, points.numpy(), atol=1e-4)


def test_a_part_is_where_any_of_its_keypoints_is_and_counts_where_all_are_labelled():
    maps = torch.zeros(1, 3, 8, 8)
    maps[0, 0, 1, 1], maps[0, 1, 6, 7], maps[0, 2, 0, 7] = 1.0, 0.5, 1.0
    weights = torch.tensor([[1.0, 1.0, 0.0]])
    parts, counted = pose_loss._of_parts(maps, weights, ((0, 1), (1, 2)), 2)
    assert parts.tolist() == [[[[1, 0], [0, 0.5]], [[0, 1], [0, 0.5]]]]
    assert counted.tolist() == [[1, 0]]


def test_part_maps_are_supervised_where_their_keypoints_are_known(people):
    batch = CropSampler(people, None, Augmentation(), seed=0).draw(2, Size(64, 64), (1.0,))

    class Network(torch.nn.Module):
        def forward(self, images):
            return torch.zeros(2, 17, 16, 16), (torch.zeros(2, 1, 4, 4),)

    options = TargetOptions(stride=4, sigma_cells=2)
    alone = PoseLoss(options, kind="mse")(Network(), batch)
    with_parts = PoseLoss(options, kind="mse", part_levels=(((0, 1),),))(Network(), batch)
    assert with_parts > alone
