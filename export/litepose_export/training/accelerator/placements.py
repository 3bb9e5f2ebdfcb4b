"""Worker processes draw which people a batch shows and where its crops lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from litepose_edge import geometry
from litepose_edge.geometry import Float64, Size
from litepose_export.training.core.pose_batch import ABSENT_XY, FLIP_PERMUTATION
from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.data.crop_placement import PlacementSampler
from litepose_export.training.data.people import People


@dataclass(frozen=True, slots=True)
class PlacementBatch:
    """Which crops to cut.

    Attributes:
        people: `(N,)` int64, whom they show.
        mirrored: `(N,)` bool, whose left and right have changed places.
        photographs: `(N,)` int64.
        to_image: `(N, 2, 3)` float64, input pixels to photograph pixels.
        points: `(N, K, 2)` float32, labelled keypoints in input pixels.
        labelled: `(N, K)` bool; all of them in crops of the background.
        background: `(N,)` bool.
        person_ids: `(N,)` uint8, ids of the people in the masks of their photographs.
        scenes: `(E,)` int64, photographs into which the first `E` people are pasted.
        to_scene: `(E, 2, 3)` float64, input pixels to theirs.
    """

    people: Tensor
    mirrored: Tensor
    photographs: Tensor
    to_image: Float64
    points: Tensor
    labelled: Tensor
    background: Tensor
    person_ids: Tensor
    scenes: Tensor
    to_scene: Float64


class PlacementDataset(IterableDataset[PlacementBatch]):
    """Placements of batches without end; every worker process has a random stream of its own.

    Args:
        people: Who can be shown.
        options: How crops are augmented.
        seed: Of the random streams.
        count: Crops in a batch.
        input_size: Of the crops.
        shares: How much of a batch comes from each source of people; sums to 1.
        person_ids: `(N,)` uint8 of `PersonMasks`, or None to paste no one.
    """

    def __init__(
        self,
        people: People,
        options: Augmentation,
        seed: int,
        count: int,
        input_size: Size,
        shares: tuple[float, ...],
        person_ids: NDArray[np.uint8] | None = None,
    ) -> None:
        self._people, self._options, self._seed = people, options, seed
        self._person_ids = np.zeros(len(people), np.uint8) if person_ids is None else person_ids
        self._count, self._input_size, self._shares = count, input_size, shares

    def __iter__(self) -> Iterator[PlacementBatch]:
        worker = get_worker_info()
        rng = np.random.default_rng([self._seed, 0 if worker is None else worker.id])
        placements = PlacementSampler(self._people, self._options, rng)
        while True:
            yield self._batch(placements)

    def _batch(self, placements: PlacementSampler) -> PlacementBatch:
        people = self._people
        chosen = placements.draw_people(self._count, self._shares)
        to_image = np.empty((self._count, 2, 3))
        keypoints = people.keypoints[chosen]
        points, labelled = keypoints[..., :2].copy(), keypoints[..., 2] > 0
        background, mirrored = np.zeros((2, self._count), np.bool_)
        photographs = people.image_index[chosen]
        for i, person in enumerate(chosen):
            placement = placements.place(int(person), self._input_size)
            to_image[i], background[i] = geometry.invert(placement.to_input), placement.background
            mirrored[i] = placement.mirrored
            if placement.background:
                photographs[i] = people.image_index[placement.person]
                points[i], labelled[i] = ABSENT_XY, True
                continue
            points[i] = geometry.transform(placement.to_input, points[i])
            if placement.mirrored:
                points[i], labelled[i] = points[i, FLIP_PERMUTATION], labelled[i, FLIP_PERMUTATION]
        swapped = 0
        if self._person_ids.any():
            swapped = round(self._count * self._options.background_swap)
        scenes = [placements.draw_scene(self._input_size) for _ in range(swapped)]
        to_scene = np.array([geometry.invert(to_input) for _, to_input in scenes])
        person_ids = np.where(background, 0, self._person_ids[chosen]).astype(np.uint8)
        return PlacementBatch(
            people=torch.from_numpy(chosen),
            mirrored=torch.from_numpy(mirrored),
            photographs=torch.from_numpy(photographs),
            to_image=to_image,
            points=torch.from_numpy(points),
            labelled=torch.from_numpy(labelled),
            background=torch.from_numpy(background),
            person_ids=torch.from_numpy(person_ids),
            scenes=torch.tensor([number for number, _ in scenes], dtype=torch.int64),
            to_scene=to_scene.reshape(-1, 2, 3),
        )
