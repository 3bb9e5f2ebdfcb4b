"""Training batches made on the device that trains: photographs and teacher live there.

For accelerators, which wait for a CPU that cuts crops. Worker processes draw which person and
which view; the device cuts the pixels, disturbs them and warps the teacher's opinion of the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from litepose_edge import geometry
from litepose_edge.geometry import Float64, Size
from litepose_export.training.accelerator.photograph_store import Atlas
from litepose_export.training.accelerator.pixel_augmentation import Disturber
from litepose_export.training.accelerator.teacher_maps import Opinions
from litepose_export.training.core.pose_loss import MEAN, STD
from litepose_export.training.core.targets import gaussian_maps, warp_maps
from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.data.crop_geometry import Planner
from litepose_export.training.data.crop_sampler import FAR_AWAY, FLIP, PSEUDO_WEIGHT
from litepose_export.training.data.people import People
from litepose_export.training.data.person_masks import Cutouts
from litepose_export.training.distillation import teacher


@dataclass(frozen=True, slots=True)
class DrawnBatch:
    """One optimiser step's worth of crops, ready for networks of one or more input sizes.

    Attributes:
        images: For each size `(N, 3, H, W)` float32, normalised, channels-last in memory.
        targets: For each size `(N, K, h, w)` float32 in `[0, 1]`.
        weights: `(N, K)` float32; 0 ignored, 0.5 the teacher's alone, 1 labelled by people.
    """

    images: tuple[Tensor, ...]
    targets: tuple[Tensor, ...]
    weights: Tensor


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Which views to cut.

    Attributes:
        who: `(N,)` int64, people.
        mirrored: `(N,)` bool, whose left and right have changed places.
        numbers: `(N,)` int64, photographs.
        to_image: `(N, 2, 3)` float64, input pixels to photograph pixels.
        points: `(N, K, 2)` float32, labelled keypoints in input pixels.
        labelled: `(N, K)` bool; all of them where nobody is shown.
        nobody: `(N,)` bool.
        whose: `(N,)` uint8, number of the person in the cutouts of the photograph.
        scenes: `(E,)` int64, photographs in which the first `E` people stand instead.
        to_scene: `(E, 2, 3)` float64, input pixels to theirs.
    """

    who: Tensor
    mirrored: Tensor
    numbers: Tensor
    to_image: Float64
    points: Tensor
    labelled: Tensor
    nobody: Tensor
    whose: Tensor
    scenes: Tensor
    to_scene: Float64


class Plans(IterableDataset[PlannedBatch]):
    """Planned batches without end; every worker process has a stream of its own."""

    def __init__(
        self,
        people: People,
        options: Augmentation,
        seed: int,
        count: int,
        input_size: Size,
        shares: tuple[float, ...],
        whose: NDArray[np.uint8] | None = None,
    ) -> None:
        self._people, self._options, self._seed = people, options, seed
        self._whose = np.zeros(len(people), np.uint8) if whose is None else whose
        self._count, self._input_size, self._shares = count, input_size, shares

    def __iter__(self) -> Iterator[PlannedBatch]:
        worker = get_worker_info()
        rng = np.random.default_rng([self._seed, 0 if worker is None else worker.id])
        planner = Planner(self._people, self._options, rng)
        while True:
            yield self._batch(planner)

    def _batch(self, planner: Planner) -> PlannedBatch:
        people = self._people
        chosen = planner.choose(self._count, self._shares)
        to_image = np.empty((self._count, 2, 3))
        keypoints = people.keypoints[chosen]
        points, labelled = keypoints[..., :2].copy(), keypoints[..., 2] > 0
        nobody, mirrored = np.zeros((2, self._count), np.bool_)
        for i, person in enumerate(chosen):
            plan = planner.plan(int(person), self._input_size)
            to_image[i], nobody[i] = geometry.invert(plan.to_input), plan.nobody
            mirrored[i] = plan.mirrored
            if plan.nobody:
                points[i], labelled[i] = FAR_AWAY, True
                continue
            points[i] = geometry.transform(plan.to_input, points[i])
            if plan.mirrored:
                points[i], labelled[i] = points[i, FLIP], labelled[i, FLIP]
        elsewhere = round(self._count * self._options.elsewhere) if self._whose.any() else 0
        scenes = [planner.scene(self._input_size) for _ in range(elsewhere)]
        to_scene = np.array([geometry.invert(to_input) for _, to_input in scenes])
        return PlannedBatch(
            who=torch.from_numpy(chosen),
            mirrored=torch.from_numpy(mirrored),
            numbers=torch.from_numpy(people.image_index[chosen]),
            to_image=to_image,
            points=torch.from_numpy(points),
            labelled=torch.from_numpy(labelled),
            nobody=torch.from_numpy(nobody),
            whose=torch.from_numpy(np.where(nobody, 0, self._whose[chosen]).astype(np.uint8)),
            scenes=torch.tensor([number for number, _ in scenes], dtype=torch.int64),
            to_scene=to_scene.reshape(-1, 2, 3),
        )


@dataclass(frozen=True, slots=True)
class ResidentOptions:
    """How a resident run draws its batches.

    Attributes:
        sizes: Inputs of the networks that learn; views are drawn for the first.
        augmentation: How far crops stray.
        stride: Input pixels a heatmap cell.
        teacher_share: Weight of the teacher's map against the labels' Gaussian.
        repeats: Batches made of the same views, disturbed in different ways: they are cut once.
        seed: Of all random streams; with one or no worker the batches repeat.
        device: `"cpu"` or `"cuda"`.
        workers: Processes that plan; 0 plans in this one.
    """

    sizes: tuple[Size, ...]
    augmentation: Augmentation
    stride: int = 8
    teacher_share: float = 0.6
    repeats: int = 2
    seed: int = 0
    device: str = "cpu"
    workers: int = 0


class ResidentSampler:
    """Makes batches on a device.

    Args:
        people: Who can be shown; those without keypoints are the teacher's to label.
        teacher: A network with PP-TinyPose's manifest, or None.
        options: How.
        cutouts: People's outlines, or None; without them nobody stands elsewhere or in front.
        tick: Called after every few hundred people that the teacher has looked at.
    """

    def __init__(
        self,
        people: People,
        teacher: nn.Module | None,
        options: ResidentOptions,
        cutouts: Cutouts | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        device = options.device
        self._people, self._options, self._seed = people, options, options.seed
        self._whose = None if cutouts is None else cutouts.numbers
        self._atlas = Atlas(people.images, device, None if cutouts is None else cutouts.maps)
        self._disturb = Disturber(options.augmentation, options.seed, device)
        self._opinions: Opinions | None = None
        if teacher is not None:
            self._opinions = Opinions(people, teacher, self._atlas, device, tick)
        self._mean = torch.tensor(MEAN, device=device)[:, None, None]
        self._std = torch.tensor(STD, device=device)[:, None, None]

    def batches(self, count: int, shares: tuple[float, ...]) -> Iterator[DrawnBatch]:
        """Batches of `count` crops without end, `shares` of them from each source of people."""
        options = self._options
        plans = Plans(
            self._people,
            options.augmentation,
            self._seed,
            count,
            options.sizes[0],
            shares,
            self._whose,
        )
        self._seed += 1  # another stretch of the run does not begin like the last
        loader = DataLoader(
            plans,
            batch_size=None,
            num_workers=options.workers,
            prefetch_factor=8 if options.workers else None,
        )
        for plan in loader:
            yield from self.draw(plan)

    def close(self) -> None:
        """Nothing to stop: the workers end with the iterator that started them."""

    @torch.no_grad()
    def draw(self, plan: PlannedBatch) -> Iterator[DrawnBatch]:
        """The pixels and targets of a plan, `repeats` times."""
        options = self._options
        views = [_fitted(options.sizes[0], size) for size in options.sizes]
        scenes = [
            self._scene(plan, view, size) for view, size in zip(views, options.sizes, strict=True)
        ]
        weights = plan.labelled.to(self._device).float()
        maps = None
        if self._opinions is not None:
            maps = self._opinions.of(plan.who, plan.mirrored)
            weights = weights.clamp(min=PSEUDO_WEIGHT)
        targets = tuple(
            self._targets(plan, maps, view, size)
            for view, size in zip(views, options.sizes, strict=True)
        )
        for _ in range(options.repeats):
            images = tuple(self._images(*scene) for scene in scenes)
            yield DrawnBatch(images=images, targets=targets, weights=weights)

    @property
    def _device(self) -> str:
        return self._options.device

    def _images(self, crops: Tensor, outlines: Tensor | None) -> Tensor:
        images = (self._disturb(crops, outlines) - self._mean) / self._std
        return images.contiguous(memory_format=torch.channels_last)

    def _targets(
        self, plan: PlannedBatch, maps: Tensor | None, view: Float64, size: Size
    ) -> Tensor:
        """What the network of one input size shall answer."""
        options, stride = self._options, self._options.stride
        height, width = size.height // stride, size.width // stride
        points = geometry.transform(geometry.invert(view), plan.points.numpy())
        cells = (torch.from_numpy(points).float().to(self._device) + 0.5) / stride - 0.5
        # As wide in the photograph as the teacher's peaks, whatever the size of a pixel.
        sigma = size.height / teacher.INPUT.height
        targets = gaussian_maps(cells, height, width, sigma)
        if maps is None:
            return targets
        share = torch.where(plan.labelled, options.teacher_share, 1.0)
        share = torch.where(plan.nobody[:, None], 0.0, share).to(self._device)
        taught = self._in_cells(plan, maps, view, height, width)
        return targets + share[..., None, None] * (taught - targets)

    def _scene(
        self, plan: PlannedBatch, to_input: Float64, size: Size
    ) -> tuple[Tensor, Tensor | None]:
        """Views of people, the first of them elsewhere; `(N, 1, H, W)` where people are.

        Args:
            plan: Whom and what to see.
            to_input: `(2, 3)`, pixels of the views to pixels of the inputs.
            size: Of the views.
        """
        to_image = geometry.compose(plan.to_image, to_input[None])
        if self._whose is None:
            return self._atlas.sample(plan.numbers, to_image, size), None
        drawn = self._atlas.sample(plan.numbers, to_image, size, plan.whose)
        crops, outlines = drawn[:, :3], drawn[:, 3:]
        count = len(plan.scenes)
        if count:
            to_scene = geometry.compose(plan.to_scene, to_input[None])
            scenes = self._atlas.sample(plan.scenes, to_scene, size)
            known = (plan.whose[:count] > 0).to(self._device)[:, None, None, None]
            where = torch.where(known, outlines[:count], 1.0)
            crops = torch.cat([torch.lerp(scenes, crops[:count], where), crops[count:]])
        return crops, outlines

    def _in_cells(
        self, plan: PlannedBatch, maps: Tensor, view: Float64, height: int, width: int
    ) -> Tensor:
        """The teacher's maps in a student's cells.

        Args:
            plan: Whose maps, seen how.
            maps: `(N, K, 64, 48)`.
            view: `(2, 3)`, the student's input pixels to those of the first size.
            height: Rows of the student's maps.
            width: Columns of them.
        """
        assert self._opinions is not None
        stride = self._options.stride
        student = np.array([[stride, 0, stride / 2 - 0.5], [0, stride, stride / 2 - 0.5]])
        to_image = geometry.compose(plan.to_image, geometry.compose(view, student)[None])
        chain = self._opinions.to_cells(plan.who, to_image)
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
