"""What EfficientPose's search learns from: crops of two halves of the people, heatmap MSE, AP."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from litepose_edge.geometry import Size
from litepose_edge.manifest import HeatmapSpec, TopDownSpec
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.skeletons import Skeleton
from litepose_export.errors import SearchError
from litepose_export.models import manifests, networks
from litepose_export.models.trained import TrainedAs
from litepose_export.search.efficientpose.loop import ARCHITECTURE, WEIGHTS
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.pose_loss import PoseLoss
from litepose_export.training.core.target_options import TargetOptions
from litepose_export.training.core.validation import Validator
from litepose_export.training.data.augmentation import MEDIUM_NO_PASTE, Augmentation
from litepose_export.training.data.crop_sampler import CropSampler
from litepose_export.training.data.people import People, common_skeleton, load_people
from litepose_export.training.data.prefetcher import Prefetcher

# As EfficientPose is trained and decoded.
STRIDE, SIGMA_CELLS, LOSS = 4, 2.0, "mse"
RECALIBRATION_BATCHES, RECALIBRATION_IMAGES = 8, 32
RECALIBRATION = "recalibration"


@dataclass(slots=True)
class CropHalves:
    """Crops for a search's two kinds of steps; small until asked, so that processes can be told.

    Attributes:
        data: COCO files to learn from.
        dev: COCO file to score on.
        images: Folders of their photographs; `images/` beside each if empty.
        size: Of the crops.
        batch: Crops a step.
        seed: Of the halves and of the crops.
        augmentation: Of the crops.
    """

    data: tuple[Path, ...]
    dev: Path
    images: tuple[Path, ...]
    size: Size
    batch: int
    seed: int
    augmentation: Augmentation = MEDIUM_NO_PASTE
    _halves: dict[str, People] = field(default_factory=dict)

    def skeleton(self) -> Skeleton:
        """The keypoints that all files label.

        Raises:
            ExportError: They label different ones.
        """
        return common_skeleton([read_coco(path, self.images) for path in (*self.data, self.dev)])

    def batches(self, half: str, segment: int) -> Generator[Any, None, None]:
        """Batches of a half without end; the same whenever a segment is asked for."""
        people = self._people(half)
        sources = people.sources
        prefetcher = Prefetcher(self._sampler(people, half, segment))
        try:
            yield from prefetcher.batches(self.batch, self.size, (1 / sources,) * sources)
        finally:
            prefetcher.close()

    def recalibration_images(self) -> Iterator[Tensor]:
        """The same normalised images `(N, 3, H, W)` for every candidate's statistics."""
        people = self._people(WEIGHTS)
        sources = people.sources
        sampler = self._sampler(people, RECALIBRATION, 0)
        for _ in range(RECALIBRATION_BATCHES):
            batch = sampler.draw(RECALIBRATION_IMAGES, self.size, (1 / sources,) * sources)
            yield normalise(batch.crops)

    def loss(self) -> PoseLoss:
        """EfficientPose's, on its own targets."""
        alignment = self._heatmaps().alignment
        options = TargetOptions(stride=STRIDE, sigma_cells=SIGMA_CELLS, alignment=alignment)
        return PoseLoss(options, kind=LOSS)

    def validator(self) -> Validator:
        """Average precision on the labelled boxes of `dev`, decoded as the exported file is."""
        heatmaps = self._heatmaps()
        return Validator(
            read_coco(self.dev, self.images),
            self.size,
            activation=heatmaps.activation,
            refinement=heatmaps.refinement,
            alignment=heatmaps.alignment,
            blur_kernel=heatmaps.blur_kernel,
            skeleton=self.skeleton(),
        )

    def _heatmaps(self) -> HeatmapSpec:
        """How maps are decoded; of the whole family it is the same."""
        said = TrainedAs(skeleton=self.skeleton())
        entry = networks.find("efficientpose-a")
        spec = manifests.manifest(entry, len(self.skeleton()), self.size, "rgb", said).model
        assert isinstance(spec, TopDownSpec)
        assert spec.heatmaps is not None
        return spec.heatmaps

    def _sampler(self, people: People, use: str, segment: int) -> CropSampler:
        number = (WEIGHTS, ARCHITECTURE, RECALIBRATION).index(use)
        words = np.random.SeedSequence((self.seed, number, segment)).generate_state(1)
        return CropSampler(people, None, self.augmentation, int(words[0]))

    def _people(self, half: str) -> People:
        if not self._halves:
            people = load_people([read_coco(path, self.images) for path in self.data])
            both = split(people, self.seed)
            self._halves = dict(zip((WEIGHTS, ARCHITECTURE), both, strict=True))
        return self._halves[half]


def split(people: People, seed: int) -> tuple[People, People]:
    """Two halves of the photographs at random, each with all its people.

    Raises:
        SearchError: There are fewer than two photographs with people.
    """
    shown = np.unique(people.image_index)
    if len(shown) < 2:
        raise SearchError(
            "weights and architecture learn from different photographs: expected at least 2 with "
            f"people, got {len(shown)}"
        )
    first = np.random.default_rng(seed).permutation(shown)[: len(shown) // 2]
    chosen = np.isin(people.image_index, first)
    return _only(people, chosen), _only(people, ~chosen)


def _only(people: People, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> People:
    return replace(
        people,
        image_index=people.image_index[chosen],
        boxes_xyxy=people.boxes_xyxy[chosen],
        keypoints=people.keypoints[chosen],
        source=people.source[chosen],
    )
