"""Which person a training crop shows and where it lies: geometry alone, no pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float64, Size
from litepose_export.training.data import augmentation
from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.data.people import People

# Of the crops without people, where hard negatives are known: these, in place of random ones.
HARD_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class CropPlacement:
    """One crop.

    Attributes:
        person: Whom it shows; of a background crop, someone of the same photograph.
        to_input: `(2, 3)`, photograph pixels to input pixels.
        mirrored: Whether left and right have changed places.
        background: It shows no person.
    """

    person: int
    to_input: Float64
    mirrored: bool
    background: bool


class PlacementSampler:
    """Draws placements from one random stream.

    Args:
        people: Who can be shown.
        options: How crops are augmented.
        rng: The stream.
    """

    def __init__(self, people: People, options: Augmentation, rng: np.random.Generator) -> None:
        self._people, self._options, self._rng = people, options, rng
        self._halves = augmentation.body_halves(people.skeleton)
        self._members = [np.flatnonzero(people.source == s) for s in np.unique(people.source)]
        self._negatives = _hard_negatives(people)

    def draw_people(self, count: int, shares: tuple[float, ...]) -> NDArray[np.int64]:
        """`(count,)` people, `shares` of them from each source."""
        sources = self._rng.choice(len(self._members), count, p=shares)
        return np.array([self._rng.choice(self._members[s]) for s in sources], np.int64)

    def place(self, person: int, input_size: Size) -> CropPlacement:
        """A crop around a person, or now and then beside the people of their photograph."""
        without = self._background(person)
        if without is not None:
            person, box = without
            to_input, mirrored = augmentation.random_affine(
                self._rng, box, input_size, self._options
            )
            return CropPlacement(person, to_input, mirrored, background=True)
        people, options = self._people, self._options
        around = augmentation.random_box(
            self._rng,
            people.boxes_xyxy[person],
            people.keypoints[person],
            options,
            self._halves,
        )
        to_input, mirrored = augmentation.random_affine(self._rng, around, input_size, options)
        return CropPlacement(person, to_input, mirrored, background=False)

    def draw_scene(self, input_size: Size) -> tuple[int, Float64]:
        """A photograph of the first source, and an affine to any part of it at any size."""
        number = int(self._people.image_index[self._rng.choice(self._members[0])])
        size = Size.of(self._people.images[number])
        box = augmentation.any_box(self._rng, size)
        return number, augmentation.random_affine(self._rng, box, input_size, self._options)[0]

    def _background(self, person: int) -> tuple[int, Float64] | None:
        """Now and then someone of the photograph to show, and a box in it that shows no one."""
        if self._rng.random() >= self._options.background:
            return None
        if self._negatives and self._rng.random() < HARD_SHARE:
            return self._negatives[self._rng.integers(len(self._negatives))]
        number = self._people.image_index[person]
        size = Size.of(self._people.images[number])
        boxes = self._people.image_boxes_xyxy[number]
        box = augmentation.background_box(self._rng, size, boxes)
        return None if box is None else (person, box)


def _hard_negatives(people: People) -> list[tuple[int, Float64]]:
    """Each box that shows no one, with someone of its photograph."""
    someone = dict(zip(people.image_index.tolist(), range(len(people)), strict=True))
    return [
        (someone[photograph], box.astype(np.float64))
        for photograph, boxes in enumerate(people.negatives_xyxy)
        for box in boxes
    ]
