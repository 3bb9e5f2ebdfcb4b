"""A teacher's heatmaps of all training people, made and kept on the device that trains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from litepose_edge import geometry
from litepose_edge.geometry import Float64
from litepose_edge.manifest import Alignment
from litepose_export.training.accelerator.cuda_graphs import Replay
from litepose_export.training.accelerator.photograph_store import PhotographStore
from litepose_export.training.core.normalization import channel_statistics
from litepose_export.training.core.pose_batch import FLIP_PERMUTATION
from litepose_export.training.core.targets import warp_maps
from litepose_export.training.data.distillation_targets import TEACHER_INPUT, to_teacher_input
from litepose_export.training.data.people import People
from litepose_export.training.distillation.teacher import (
    TEACHER_STRIDE,
    input_to_cells,
    teacher_views,
    upright_to_view_cells,
)

BATCH = 512


class TeacherMaps:
    """A teacher's heatmaps of every person, made once, in the views of `teacher.distill`.

    Run on every crop of a run anew, a teacher would take as long as the students' training.

    Args:
        people: Whom to run the teacher on.
        teacher: A network with PP-TinyPose's input, in the precision to run it in.
        alignment: Where the cells of its maps lie.
        photographs: The people's.
        device: Where all of this is.
        progress: Called after every `BATCH` people, or all if they are fewer.
    """

    def __init__(
        self,
        people: People,
        teacher: nn.Module,
        alignment: Alignment,
        photographs: PhotographStore,
        device: str,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._boxes, self._device, self._alignment = people.boxes_xyxy, device, alignment
        self._half = torch.float16 if device == "cuda" else torch.float32
        self._mean, self._std = channel_statistics(device)
        self._flip = torch.from_numpy(FLIP_PERMUTATION).to(device)
        run_teacher = Replay(teacher.to(device, self._half).eval())
        kept, batch = [], min(BATCH, len(people))
        for start in range(0, len(people), batch):
            # Always as many, so that the teacher is recorded once.
            chosen = np.arange(start, start + batch).clip(max=len(people) - 1)
            numbers = torch.from_numpy(people.image_index[chosen])
            to_input = to_teacher_input(self._boxes[chosen])
            maps = self._mean_over_views(numbers, to_input, photographs, run_teacher)
            kept.append(maps[: len(people) - start].half())
            progress()
        self._maps = torch.cat(kept)

    def of(self, people: Tensor, mirrored: Tensor) -> Tensor:
        """`(N, K, 64, 48)` float32, the teacher's maps; their cells tile the padded boxes.

        Args:
            people: `(N,)` int64.
            mirrored: `(N,)` bool, whose left and right change places.
        """
        maps = self._maps[people.to(self._device)].float()
        return torch.where(
            mirrored.to(self._device)[:, None, None, None], maps[:, self._flip], maps
        )

    def to_cells(self, people: Tensor, to_image: Float64) -> Float64:
        """`(N, 2, 3)`, from pixels of a view to cells of the person's maps.

        Args:
            people: `(N,)` int64.
            to_image: `(N, 2, 3)`, from pixels of the view to those of the photograph.
        """
        chosen: NDArray[np.int64] = people.numpy()
        to_input = to_teacher_input(self._boxes[chosen])
        return geometry.compose(input_to_cells("centre"), geometry.compose(to_input, to_image))

    @torch.no_grad()
    def _mean_over_views(
        self, numbers: Tensor, to_input: Float64, photographs: PhotographStore, run_teacher: Replay
    ) -> Tensor:
        """Mean of the maps of the upright, mirrored and turned views, all turned upright."""
        height, width = (n // TEACHER_STRIDE for n in (TEACHER_INPUT.height, TEACHER_INPUT.width))
        upright = []
        for turn, mirrored in teacher_views():
            to_view = geometry.compose(turn[None], to_input)
            crops = photographs.sample(numbers, geometry.invert(to_view), TEACHER_INPUT)
            maps = run_teacher(((crops - self._mean) / self._std).to(self._half)).float()
            if mirrored:
                maps = maps[:, self._flip]
            back = upright_to_view_cells(turn, self._alignment)
            places = torch.from_numpy(back.astype(np.float32)).to(self._device)
            upright.append(warp_maps(maps, places.expand(len(maps), 2, 3), height, width))
        return torch.stack(upright).mean(0).clamp(0, 1)
