"""What differs between supernets of crops and of whole scenes: samples, loss, scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_edge.geometry import Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.skeletons import Skeleton
from litepose_export.models import manifests, networks
from litepose_export.models.architectures.litepose import FusionHead
from litepose_export.models.trained import TrainedAs
from litepose_export.search.supernet.loss import Outputs
from litepose_export.training.bottomup.loss import MIN_PEAK, BottomUpLoss
from litepose_export.training.bottomup.validation import BottomUpValidator
from litepose_export.training.bottomup.views import (
    LabelledPhotographs,
    ViewOptions,
    ViewSampler,
    load_photographs,
)
from litepose_export.training.core.loop import Evaluate
from litepose_export.training.core.pose_loss import PoseLoss
from litepose_export.training.core.schedule import Schedule
from litepose_export.training.core.target_options import TargetOptions
from litepose_export.training.core.validation import Validator
from litepose_export.training.data.augmentation import MEDIUM, WEAK, Augmentation
from litepose_export.training.data.crop_sampler import CropSampler
from litepose_export.training.data.people import People, common_skeleton, load_people
from litepose_export.training.data.prefetcher import Sampler

SCORED_PHOTOGRAPHS = 100


@dataclass(frozen=True, slots=True)
class Photographs:
    """Where a task's labels and photographs lie; small, so that processes can be told.

    Attributes:
        data: COCO files to learn from.
        dev: COCO file to score on.
        images: Folders of their photographs; `images/` beside each if empty.
    """

    data: tuple[Path, ...]
    dev: Path
    images: tuple[Path, ...] = ()

    def skeleton(self) -> Skeleton:
        """The keypoints that all files label.

        Raises:
            ExportError: They label different ones.
        """
        return common_skeleton([read_coco(path, self.images) for path in (*self.data, self.dev)])


class Task(Protocol):
    """What a supernet learns, and how candidates are scored."""

    schedule: Schedule
    photographs: Photographs

    def sampler(self, seed: Any) -> Sampler[Any]:
        """Batches to learn from, repeatable from the seed."""

    def sources(self) -> int:
        """How many files to learn from show people: those that a batch has shares of."""

    def held_out(self, seed: Any) -> Sampler[Any]:
        """Batches of the dev file, hardly augmented."""

    def loss(self) -> Callable[[nn.Module, Any], Tensor]:
        """Of a network on a batch."""

    def evaluate(self, size: Size) -> Evaluate:
        """Average precision on the dev file at an input size."""

    def record(self, network: nn.Module, outputs: Outputs) -> None:
        """Let a network append what it computes to a list."""

    def distillation(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Loss of a sub-network's outputs against the largest one's."""


@dataclass(slots=True)
class CropTask:
    """Networks of one person's crop whose maps are logits, as LRPose's.

    Attributes:
        photographs: Whose.
        augmentation: Of crops to learn from.
    """

    photographs: Photographs
    augmentation: Augmentation = MEDIUM
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            batch=32, learning_rate=2e-3, muon_rate=None, warmup_steps=100
        )
    )
    _people: dict[str, People] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the photographs: processes that judge read their own."""
        return CropTask, (self.photographs, self.augmentation, self.schedule)

    def _load(self, which: str) -> People:
        if which not in self._people:
            files = self.photographs.data if which == "data" else (self.photographs.dev,)
            datasets = [read_coco(path, self.photographs.images) for path in files]
            self._people[which] = load_people(datasets)
        return self._people[which]

    def sampler(self, seed: Any) -> CropSampler:
        """Crops to learn from."""
        return CropSampler(self._load("data"), None, self.augmentation, seed)

    def sources(self) -> int:
        """Files with people who can be shown."""
        return self._load("data").sources

    def held_out(self, seed: Any) -> CropSampler:
        """Crops of the dev file."""
        return CropSampler(self._load("dev"), None, WEAK, seed)

    def loss(self) -> PoseLoss:
        """Regressive cross-entropy, as LRPose's runs from scratch."""
        return PoseLoss(TargetOptions())

    def evaluate(self, size: Size) -> Evaluate:
        """Average precision on the dev file's labelled boxes."""
        dataset = read_coco(self.photographs.dev, self.photographs.images)
        return Validator(dataset, size, skeleton=self._load("dev").skeleton)

    def record(self, network: nn.Module, outputs: Outputs) -> None:
        """Append the logits."""
        network.register_forward_hook(lambda _, __, maps: outputs.append(maps))

    def distillation(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Cross-entropy to the largest network's heat, cells weighted as by labels."""
        heat = torch.sigmoid(targets[0].float())
        wrong = F.binary_cross_entropy_with_logits(outputs[0].float(), heat, reduction="none")
        return (wrong * (1 + 8 * heat)).mean()


@dataclass(slots=True)
class SceneTask:
    """Bottom-up networks of whole scenes, as LitePose's.

    Attributes:
        photographs: Whose.
        keypoints: How many the networks find.
    """

    photographs: Photographs
    keypoints: int
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            batch=16, learning_rate=4e-3, muon_rate=None, warmup_steps=100
        )
    )
    short_side: int = 256
    _scenes: dict[str, LabelledPhotographs] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the photographs: processes that judge read their own."""
        return SceneTask, (self.photographs, self.keypoints, self.schedule, self.short_side)

    def _load(self, which: str) -> LabelledPhotographs:
        if which not in self._scenes:
            files = self.photographs.data if which == "data" else (self.photographs.dev,)
            datasets = [read_coco(path, self.photographs.images) for path in files]
            self._scenes[which] = load_photographs(datasets)
        return self._scenes[which]

    def sampler(self, seed: Any) -> ViewSampler:
        """Views to learn from."""
        options = ViewOptions(short_side=self.short_side)
        return ViewSampler(self._load("data"), options, seed, self.photographs.skeleton())

    def sources(self) -> int:
        """Files with photographs of labelled people."""
        return self._load("data").sources

    def held_out(self, seed: Any) -> ViewSampler:
        """Views of the dev file."""
        options = ViewOptions(self.short_side, rotate=0, colour=0, blur=0, scale=(1.0, 1.0))
        return ViewSampler(self._load("dev"), options, seed, self.photographs.skeleton())

    def loss(self) -> BottomUpLoss:
        """Heat of both maps and tags; depthwise kernels learn at every step."""
        return BottomUpLoss(depthwise_every=1)

    def evaluate(self, size: Size) -> Evaluate:
        """Average precision on photographs of the dev file, without boxes."""
        skeleton = self.photographs.skeleton()
        entry = networks.find("litepose-xs")  # of all sizes the manifest is one
        return BottomUpValidator(
            read_coco(self.photographs.dev, self.photographs.images),
            manifests.manifest(entry, self.keypoints, size, trained=TrainedAs(skeleton=skeleton)),
            min_peak=MIN_PEAK,
            max_photographs=SCORED_PHOTOGRAPHS,
        )

    def record(self, network: nn.Module, outputs: Outputs) -> None:
        """Append both outputs; the loss asks for them by parts, and not by a call."""
        assert isinstance(network, FusionHead)
        maps = network.maps

        def recorded(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
            coarse, fine = maps(features)
            outputs.extend((coarse, fine))
            return coarse, fine

        network.maps = recorded  # type: ignore[method-assign]

    def distillation(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Squared error of the heatmaps; tags have no values to agree on."""
        k = self.keypoints
        coarse = F.mse_loss(outputs[0][:, :k], targets[0][:, :k])
        return coarse + F.mse_loss(outputs[1], targets[1])
