"""Training batches made on the device that trains: photographs and teacher's maps live there.

For accelerators, which otherwise wait for a CPU that cuts crops. Worker processes draw which person
is shown and where the crop lies; the device cuts the pixels, augments them and warps the teacher's
maps of the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from litepose_edge import geometry
from litepose_edge.geometry import Float64, Size
from litepose_edge.manifest import Alignment
from litepose_export.training.accelerator.photograph_store import PhotographStore
from litepose_export.training.accelerator.pixel_augmentation import PixelAugmenter
from litepose_export.training.accelerator.placements import PlacementBatch, PlacementDataset
from litepose_export.training.accelerator.teacher_maps import TeacherMaps
from litepose_export.training.core.normalization import channel_statistics
from litepose_export.training.core.pose_batch import PSEUDO_LABEL_WEIGHT
from litepose_export.training.core.target_options import TEACHER_SHARE
from litepose_export.training.core.targets import gaussian_maps, warp_maps
from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.data.distillation_targets import TEACHER_INPUT
from litepose_export.training.data.people import People
from litepose_export.training.data.person_masks import PersonMasks


@dataclass(frozen=True, slots=True)
class AcceleratorBatch:
    """One optimiser step's worth of crops, ready for networks of one or more input sizes.

    Attributes:
        images: For each size `(N, 3, H, W)` float32, normalised, channels-last in memory.
        targets: For each size `(N, K, h, w)` float32 in `[0, 1]`.
        weights: `(N, K)` float32; 0 ignored, 0.5 a pseudo-label, 1 labelled by people.
    """

    images: tuple[Tensor, ...]
    targets: tuple[Tensor, ...]
    weights: Tensor


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """How batches are drawn.

    Attributes:
        sizes: Inputs of the networks that learn; crops are placed for the first.
        augmentation: How crops are augmented.
        stride: Input pixels a heatmap cell.
        teacher_alignment: Where the cells of the teacher's maps lie.
        teacher_share: Weight of the teacher's map against the labels' Gaussian.
        repeats: Batches made of the same crops, augmented in different ways: they are cut once.
        seed: Of all random streams; with one or no worker the batches repeat.
        device: `"cpu"` or `"cuda"`.
        workers: Processes that draw placements; 0 draws them in this one.
    """

    sizes: tuple[Size, ...]
    augmentation: Augmentation
    stride: int = 8
    teacher_alignment: Alignment = "corner"
    teacher_share: float = TEACHER_SHARE
    repeats: int = 2
    seed: int = 0
    device: str = "cpu"
    workers: int = 0


class AcceleratorSampler:
    """Makes batches on a device.

    Args:
        people: Who can be shown; those without keypoints are labelled by the teacher alone.
        teacher: A network with PP-TinyPose's input, or None.
        options: How.
        masks: For copy-paste augmentation, or None to do without.
        progress: Called after every few hundred people that the teacher has seen.
    """

    def __init__(
        self,
        people: People,
        teacher: nn.Module | None,
        options: SamplerOptions,
        masks: PersonMasks | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        device = options.device
        self._people, self._options, self._seed = people, options, options.seed
        self._person_ids = None if masks is None else masks.person_ids
        maps = None if masks is None else masks.maps
        self._photographs = PhotographStore(people.images, device, maps)
        self._augment = PixelAugmenter(options.augmentation, options.seed, device)
        self._teacher: TeacherMaps | None = None
        if teacher is not None:
            self._teacher = TeacherMaps(
                people, teacher, options.teacher_alignment, self._photographs, device, progress
            )
        self._mean, self._std = channel_statistics(device)

    def batches(self, count: int, shares: tuple[float, ...]) -> Iterator[AcceleratorBatch]:
        """Batches of `count` crops without end, `shares` of them from each source of people."""
        options = self._options
        placements = PlacementDataset(
            self._people,
            options.augmentation,
            self._seed,
            count,
            options.sizes[0],
            shares,
            self._person_ids,
        )
        self._seed += 1  # another phase of the run does not begin like the last
        loader = DataLoader(
            placements,
            batch_size=None,
            num_workers=options.workers,
            prefetch_factor=8 if options.workers else None,
        )
        for placed in loader:
            yield from self.draw(placed)

    def close(self) -> None:
        """Nothing to stop: the workers end with the iterator that started them."""

    @torch.no_grad()
    def draw(self, placed: PlacementBatch) -> Iterator[AcceleratorBatch]:
        """The pixels and targets of placed crops, `repeats` times."""
        options = self._options
        views = [_fitted(options.sizes[0], size) for size in options.sizes]
        crops = [
            self._crops(placed, view, size) for view, size in zip(views, options.sizes, strict=True)
        ]
        weights = placed.labelled.to(self._device).float()
        maps = None
        if self._teacher is not None:
            maps = self._teacher.of(placed.people, placed.mirrored)
            weights = weights.clamp(min=PSEUDO_LABEL_WEIGHT)
        targets = tuple(
            self._targets(placed, maps, view, size)
            for view, size in zip(views, options.sizes, strict=True)
        )
        for _ in range(options.repeats):
            images = tuple(self._images(pixels, masks) for pixels, masks in crops)
            yield AcceleratorBatch(images=images, targets=targets, weights=weights)

    @property
    def _device(self) -> str:
        return self._options.device

    def _images(self, crops: Tensor, masks: Tensor | None) -> Tensor:
        images = (self._augment(crops, masks) - self._mean) / self._std
        return images.contiguous(memory_format=torch.channels_last)

    def _targets(
        self, placed: PlacementBatch, maps: Tensor | None, view: Float64, size: Size
    ) -> Tensor:
        """The heatmaps that the network of one input size learns."""
        options, stride = self._options, self._options.stride
        height, width = size.height // stride, size.width // stride
        points = geometry.transform(geometry.invert(view), placed.points.numpy())
        cells = (torch.from_numpy(points).float().to(self._device) + 0.5) / stride - 0.5
        # As wide in the photograph as the teacher's peaks, whatever the size of a pixel.
        sigma = size.height / TEACHER_INPUT.height
        targets = gaussian_maps(cells, height, width, sigma)
        if maps is None:
            return targets
        share = torch.where(placed.labelled, options.teacher_share, 1.0)
        share = torch.where(placed.background[:, None], 0.0, share).to(self._device)
        warped = self._in_cells(placed, maps, view, height, width)
        return targets + share[..., None, None] * (warped - targets)

    def _crops(
        self, placed: PlacementBatch, to_input: Float64, size: Size
    ) -> tuple[Tensor, Tensor | None]:
        """Crops, the first of them in swapped backgrounds, and `(N, 1, H, W)` people's masks.

        Args:
            placed: Whom to show, and where.
            to_input: `(2, 3)`, pixels of the crops to pixels of the first size's.
            size: Of the crops.
        """
        to_image = geometry.compose(placed.to_image, to_input[None])
        store = self._photographs
        if self._person_ids is None:
            return store.sample(placed.photographs, to_image, size), None
        sampled = store.sample(placed.photographs, to_image, size, placed.person_ids)
        crops, masks = sampled[:, :3], sampled[:, 3:]
        count = len(placed.scenes)
        if count:
            to_scene = geometry.compose(placed.to_scene, to_input[None])
            scenes = store.sample(placed.scenes, to_scene, size)
            known = (placed.person_ids[:count] > 0).to(self._device)[:, None, None, None]
            kept = torch.where(known, masks[:count], 1.0)
            crops = torch.cat([torch.lerp(scenes, crops[:count], kept), crops[count:]])
        return crops, masks

    def _in_cells(
        self, placed: PlacementBatch, maps: Tensor, view: Float64, height: int, width: int
    ) -> Tensor:
        """The teacher's maps in a student's cells.

        Args:
            placed: Whose maps, and where their crops lie.
            maps: `(N, K, 64, 48)`.
            view: `(2, 3)`, the student's input pixels to those of the first size.
            height: Rows of the student's maps.
            width: Columns of them.
        """
        assert self._teacher is not None
        stride = self._options.stride
        student = np.array([[stride, 0, stride / 2 - 0.5], [0, stride, stride / 2 - 0.5]])
        to_image = geometry.compose(placed.to_image, geometry.compose(view, student)[None])
        chain = self._teacher.to_cells(placed.people, to_image)
        to_cells = torch.from_numpy(chain.astype(np.float32)).to(self._device)
        return warp_maps(maps, to_cells, height, width)


def _fitted(input_size: Size, view: Size) -> Float64:
    """Pixels of a view, centred on the input and just large enough, to pixels of the input."""
    scale = max(input_size.width / view.width, input_size.height / view.height)
    shift = [
        (n - 1) / 2 - scale * (m - 1) / 2
        for n, m in ((input_size.width, view.width), (input_size.height, view.height))
    ]
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
