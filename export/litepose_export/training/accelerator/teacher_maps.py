"""A teacher's maps of everybody, made and kept on the device that trains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from litepose_edge import geometry
from litepose_edge.geometry import Float64
from litepose_export.training.accelerator.cuda_graphs import Replay
from litepose_export.training.accelerator.photograph_store import Atlas
from litepose_export.training.core.pose_loss import MEAN, STD
from litepose_export.training.core.targets import warp_maps
from litepose_export.training.data.crop_sampler import FLIP
from litepose_export.training.data.people import People
from litepose_export.training.distillation import teacher

BATCH = 512
# From the teacher's input to the cells of its maps.
_SHIFT = 0.5 - teacher.STRIDE / 2
_TO_CELLS = np.array([[1, 0, _SHIFT], [0, 1, _SHIFT]]) / teacher.STRIDE


class Opinions:
    """What a teacher sees in every person, asked once, in the views of `distill.teach`.

    Asked about every view of a run anew, PP-TinyPose takes as long as LRPose-s and -m learn.

    Args:
        people: Whom to look at.
        teacher: A network with PP-TinyPose's manifest, in the precision to run it in.
        atlas: The people's photographs.
        device: Where all of this is.
        tick: Called after every `BATCH` people, or all if they are fewer.
    """

    def __init__(
        self,
        people: People,
        teacher: nn.Module,
        atlas: Atlas,
        device: str,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._boxes, self._device = people.boxes_xyxy, device
        self._half = torch.float16 if device == "cuda" else torch.float32
        self._mean = torch.tensor(MEAN, device=device)[:, None, None]
        self._std = torch.tensor(STD, device=device)[:, None, None]
        self._flip = torch.from_numpy(FLIP).to(device)
        ask = Replay(teacher.to(device, self._half).eval())
        kept, batch = [], min(BATCH, len(people))
        for start in range(0, len(people), batch):
            # Always as many, so that the teacher is recorded once.
            who = np.arange(start, start + batch).clip(max=len(people) - 1)
            numbers = torch.from_numpy(people.image_index[who])
            seen = self._look(numbers, self._to_input(who), atlas, ask)
            kept.append(seen[: len(people) - start].half())
            tick()
        self._maps = torch.cat(kept)

    def of(self, who: Tensor, mirrored: Tensor) -> Tensor:
        """`(N, K, 64, 48)` float32, the teacher's maps over the people's padded boxes.

        Args:
            who: `(N,)` int64, people.
            mirrored: `(N,)` bool, whose left and right change places.
        """
        maps = self._maps[who.to(self._device)].float()
        return torch.where(
            mirrored.to(self._device)[:, None, None, None], maps[:, self._flip], maps
        )

    def to_cells(self, who: Tensor, to_image: Float64) -> Float64:
        """`(N, 2, 3)`, from pixels of a view to cells of the person's maps.

        Args:
            who: `(N,)` int64, people.
            to_image: `(N, 2, 3)`, from pixels of the view to those of the photograph.
        """
        return geometry.compose(_TO_CELLS, geometry.compose(self._to_input(who.numpy()), to_image))

    def _to_input(self, who: NDArray[np.int64]) -> Float64:
        """`(N, 2, 3)`, from photographs to the views that the maps are of."""
        return geometry.crop_affine(self._boxes[who], teacher.INPUT, teacher.PADDING)

    @torch.no_grad()
    def _look(self, numbers: Tensor, to_input: Float64, atlas: Atlas, ask: Replay) -> Tensor:
        """Mean of what the teacher sees upright, mirrored and turned, as seen upright."""
        height, width = (n // teacher.STRIDE for n in (teacher.INPUT.height, teacher.INPUT.width))
        seen = []
        for turn, mirrored in teacher.views():
            to_view = geometry.compose(turn[None], to_input)
            crops = atlas.sample(numbers, geometry.invert(to_view), teacher.INPUT)
            maps = ask(((crops - self._mean) / self._std).to(self._half)).float()
            if mirrored:
                maps = maps[:, self._flip]
            back = geometry.compose(_TO_CELLS, geometry.compose(turn, geometry.invert(_TO_CELLS)))
            places = torch.from_numpy(back.astype(np.float32)).to(self._device)
            seen.append(warp_maps(maps, places.expand(len(maps), 2, 3), height, width))
        return torch.stack(seen).mean(0).clamp(0, 1)
