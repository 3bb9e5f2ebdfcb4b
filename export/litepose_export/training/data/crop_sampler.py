"""Turns people into augmented training batches."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.preprocess import warp
from litepose_export.training.core.pose_batch import (
    ABSENT_XY,
    PSEUDO_LABEL_WEIGHT,
    PoseBatch,
)
from litepose_export.training.data import augmentation
from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.data.crop_placement import CropPlacement, PlacementSampler
from litepose_export.training.data.distillation_targets import (
    DistillationTargets,
    to_teacher_input,
)
from litepose_export.training.data.people import People
from litepose_export.training.data.person_masks import PersonMasks


class CropSampler:
    """Draws random augmented crops of people; one random stream, repeatable from its seed.

    Args:
        people: Who can be shown.
        targets: A teacher's maps and pseudo-labels of them, or None.
        options: How crops are augmented.
        seed: Of the random stream.
        masks: For copy-paste augmentation, or None to do without.

    Attributes:
        rng: The random stream.
    """

    def __init__(
        self,
        people: People,
        targets: DistillationTargets | None,
        options: Augmentation,
        seed: int,
        masks: PersonMasks | None = None,
    ) -> None:
        self._people = people
        self._flip = np.array(people.skeleton.flip_permutation)
        self._masks = masks
        self._targets = targets
        self._options = options
        self.rng = np.random.default_rng(seed)
        self._placements = PlacementSampler(people, options, self.rng)
        self._weights, self._points = _labels(people, targets)

    def draw(self, count: int, input_size: Size, shares: tuple[float, ...]) -> PoseBatch:
        """One batch.

        Args:
            count: Crops in the batch.
            input_size: Their size.
            shares: How much of the batch comes from each annotation file; sums to 1.
        """
        chosen = self._placements.draw_people(count, shares)
        crops = np.empty((count, input_size.height, input_size.width, 3), np.uint8)
        points = np.empty((count, *self._points.shape[1:]), np.float32)
        weights = self._weights[chosen]
        maps = None if self._targets is None else self._targets.maps[chosen]
        to_teacher = np.empty((count, 2, 3), np.float32)
        for i, person in enumerate(chosen):
            placement = self._placements.place(int(person), input_size)
            crop = self._pixels(placement, input_size)
            cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=crops[i])
            if placement.background:
                # All keypoints are labelled, and none is in the crop.
                weights[i], points[i], to_teacher[i] = 1, ABSENT_XY, np.eye(2, 3)
                if maps is not None:
                    maps[i] = 0
                continue
            points[i] = geometry.transform(placement.to_input, self._points[placement.person])
            to_teacher[i] = self._to_teacher(placement)
            if placement.mirrored:
                points[i], weights[i] = points[i, self._flip], weights[i, self._flip]
                if maps is not None:
                    maps[i] = maps[i, self._flip]
        return PoseBatch(
            crops=torch.from_numpy(crops),
            points=torch.from_numpy(points),
            weights=torch.from_numpy(weights),
            maps=None if maps is None else torch.from_numpy(maps),
            to_teacher=torch.from_numpy(to_teacher),
        )

    def _to_teacher(self, placement: CropPlacement) -> Float64:
        """A crop's pixels to those of the teacher's crop of the same person."""
        teacher_input = to_teacher_input(self._people.boxes_xyxy[placement.person])
        return geometry.compose(teacher_input, geometry.invert(placement.to_input))

    def _pixels(self, placement: CropPlacement, input_size: Size) -> NDArray[np.uint8]:
        rng, options, people = self.rng, self._options, self._people
        # As the runtime cuts its crops, so that both see the same pixels.
        image = people.images[people.image_index[placement.person]]
        crop = warp(image, placement.to_input, input_size)
        if self._masks is not None:
            crop = self._copy_paste(self._masks, placement, crop, input_size)
        if rng.random() < options.blur:
            crop = augmentation.blur_or_downscale(rng, crop)
        if rng.random() < options.colour:
            crop = augmentation.jitter_colours(rng, crop)
        if rng.random() < options.cutout:
            augmentation.cover_rectangle(rng, crop, self._other_crop(input_size))
        return crop

    def _copy_paste(
        self,
        masks: PersonMasks,
        placement: CropPlacement,
        crop: NDArray[np.uint8],
        input_size: Size,
    ) -> NDArray[np.uint8]:
        """Now and then the person in another photograph, or an occluder in front of them."""
        rng, options, people = self.rng, self._options, self._people
        known = masks.person_ids[placement.person] > 0 and not placement.background
        if rng.random() < options.background_swap and known:
            number, to_scene = self._placements.draw_scene(input_size)
            scene = warp(people.images[number], to_scene, input_size)
            mask = self._mask(masks, placement.person, placement.to_input, input_size)
            crop = augmentation.paste(scene, crop, mask)
        other = int(rng.integers(len(people)))
        if rng.random() < options.occluder and masks.person_ids[other] > 0:
            box = people.boxes_xyxy[other].astype(np.float64)
            to_input, _ = augmentation.random_affine(rng, box, input_size, options)
            to_input[:, 2] += rng.uniform(-0.5, 0.5, 2) * [input_size.width, input_size.height]
            occluder = warp(people.images[people.image_index[other]], to_input, input_size)
            mask = self._mask(masks, other, to_input, input_size)
            crop = augmentation.paste(crop, occluder, mask)
        return crop

    def _mask(
        self, masks: PersonMasks, person: int, to_input: Float64, input_size: Size
    ) -> NDArray[np.uint8]:
        """`(H, W)` uint8, 255 where a person is in a crop."""
        own = masks.maps[self._people.image_index[person]] == masks.person_ids[person]
        return warp(own.view(np.uint8) * np.uint8(255), to_input, input_size)

    def _other_crop(self, input_size: Size) -> NDArray[np.uint8] | None:
        """A random person's crop for CutMix; None where a plain cover is wanted."""
        rng, options, people = self.rng, self._options, self._people
        if options.cutmix == 0 or rng.random() >= options.cutmix:
            return None
        person = int(rng.integers(len(people)))
        box = people.boxes_xyxy[person].astype(np.float64)
        to_input, _ = augmentation.random_affine(rng, box, input_size, options)
        return warp(people.images[people.image_index[person]], to_input, input_size)


def _labels(people: People, targets: DistillationTargets | None) -> tuple[Float32, Float32]:
    """Weights `(N, K)` and positions `(N, K, 2)`: people's labels, else trusted pseudo-labels."""
    labelled = people.keypoints[..., 2] > 0
    weights = labelled.astype(np.float32)
    points = people.keypoints[..., :2].copy()
    if targets is not None:
        borrowed = ~labelled & targets.trusted
        weights[borrowed] = PSEUDO_LABEL_WEIGHT
        points[borrowed] = targets.keypoints[..., :2][borrowed]
    return weights, points
