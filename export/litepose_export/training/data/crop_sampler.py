"""Turns people into augmented training batches, in a thread beside the optimiser."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.preprocess import warp
from litepose_edge.skeletons import COCO_17
from litepose_export.training.data import augmentation
from litepose_export.training.data.augmentation import Augmentation
from litepose_export.training.data.crop_geometry import Plan, Planner
from litepose_export.training.data.people import People
from litepose_export.training.data.person_masks import Cutouts
from litepose_export.training.distillation import teacher
from litepose_export.training.distillation.teacher import Teaching

BatchT = TypeVar("BatchT", covariant=True)
PSEUDO_WEIGHT = 0.5
FAR_AWAY = -1e4
FLIP = np.array(COCO_17.flip_permutation)


@dataclass(frozen=True, slots=True)
class Batch:
    """One optimiser step's worth of crops.

    Attributes:
        crops: `(N, H, W, 3)` uint8 RGB.
        points: `(N, K, 2)` float32, keypoints in input pixels.
        weights: `(N, K)` float32; 0 ignored, 0.5 labelled by the teacher, 1 labelled by people.
        maps: `(N, K, 32, 24)` uint8, the teacher's maps, or None without a teacher.
        to_teacher: `(N, 2, 3)` float32, input pixels to the teacher's input pixels.
    """

    crops: Tensor
    points: Tensor
    weights: Tensor
    maps: Tensor | None
    to_teacher: Tensor


class CropSampler:
    """Draws random augmented crops of people; one random stream, repeatable from its seed."""

    def __init__(
        self,
        people: People,
        teaching: Teaching | None,
        options: Augmentation,
        seed: int,
        cutouts: Cutouts | None = None,
    ) -> None:
        self._people = people
        self._cutouts = cutouts
        self._teaching = teaching
        self._options = options
        self._rng = np.random.default_rng(seed)
        self._planner = Planner(people, options, self._rng)
        self._weights, self._points = _labels(people, teaching)

    def draw(self, count: int, input_size: Size, shares: tuple[float, ...]) -> Batch:
        """One batch.

        Args:
            count: Crops in the batch.
            input_size: Their size.
            shares: How much of the batch comes from each annotation file; sums to 1.
        """
        chosen = self._planner.choose(count, shares)
        crops = np.empty((count, input_size.height, input_size.width, 3), np.uint8)
        points = np.empty((count, *self._points.shape[1:]), np.float32)
        weights = self._weights[chosen]
        maps = None if self._teaching is None else self._teaching.maps[chosen]
        to_teacher = np.empty((count, 2, 3), np.float32)
        for i, person in enumerate(chosen):
            plan = self._planner.plan(int(person), input_size)
            crop = self._pixels(plan, input_size)
            cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=crops[i])
            if plan.nobody:
                # All keypoints are labelled, and none is in the crop.
                weights[i], points[i], to_teacher[i] = 1, FAR_AWAY, np.eye(2, 3)
                if maps is not None:
                    maps[i] = 0
                continue
            points[i] = geometry.transform(plan.to_input, self._points[plan.person])
            to_teacher[i] = self._to_teacher(plan)
            if plan.mirrored:
                points[i], weights[i] = points[i, FLIP], weights[i, FLIP]
                if maps is not None:
                    maps[i] = maps[i, FLIP]
        return Batch(
            crops=torch.from_numpy(crops),
            points=torch.from_numpy(points),
            weights=torch.from_numpy(weights),
            maps=None if maps is None else torch.from_numpy(maps),
            to_teacher=torch.from_numpy(to_teacher),
        )

    def _to_teacher(self, plan: Plan) -> Float64:
        """A crop's pixels to those of the view the teacher had."""
        box = self._people.boxes_xyxy[plan.person]
        teacher_input = geometry.crop_affine(box, teacher.INPUT, teacher.PADDING)
        return geometry.compose(teacher_input, geometry.invert(plan.to_input))

    def _pixels(self, plan: Plan, input_size: Size) -> NDArray[np.uint8]:
        rng, options, people = self._rng, self._options, self._people
        # As the runtime cuts its crops, so that both see the same pixels.
        image = people.images[people.image_index[plan.person]]
        crop = warp(image, plan.to_input, input_size)
        if self._cutouts is not None:
            crop = self._compose(self._cutouts, plan, crop, input_size)
        if rng.random() < options.blur:
            crop = augmentation.lose_detail(rng, crop)
        if rng.random() < options.colour:
            crop = augmentation.disturb_colours(rng, crop)
        if rng.random() < options.cutout:
            augmentation.hide_part(rng, crop, self._stranger(input_size))
        return crop

    def _compose(
        self, cutouts: Cutouts, plan: Plan, crop: NDArray[np.uint8], input_size: Size
    ) -> NDArray[np.uint8]:
        """Now and then the person in another scene, or somebody else in front of them."""
        rng, options, people = self._rng, self._options, self._people
        known = cutouts.numbers[plan.person] > 0 and not plan.nobody
        if rng.random() < options.elsewhere and known:
            number, view = self._planner.scene(input_size)
            scene = warp(people.images[number], view, input_size)
            crop = augmentation.lay_over(
                scene, crop, self._outline(cutouts, plan.person, plan.to_input, input_size)
            )
        other = int(rng.integers(len(people)))
        if rng.random() < options.in_front and cutouts.numbers[other] > 0:
            box = people.boxes_xyxy[other].astype(np.float64)
            to_input, _ = augmentation.random_affine(rng, box, input_size, options)
            to_input[:, 2] += rng.uniform(-0.5, 0.5, 2) * [input_size.width, input_size.height]
            stranger = warp(people.images[people.image_index[other]], to_input, input_size)
            outline = self._outline(cutouts, other, to_input, input_size)
            crop = augmentation.lay_over(crop, stranger, outline)
        return crop

    def _outline(
        self, cutouts: Cutouts, person: int, to_input: Float64, input_size: Size
    ) -> NDArray[np.uint8]:
        """`(H, W)` uint8, 255 where a person is in a view."""
        whose = cutouts.maps[self._people.image_index[person]] == cutouts.numbers[person]
        return warp(whose.view(np.uint8) * np.uint8(255), to_input, input_size)

    def _stranger(self, input_size: Size) -> NDArray[np.uint8] | None:
        """Somebody, as far away as in a crop of their own; None where a plain cover is wanted."""
        rng, options, people = self._rng, self._options, self._people
        if options.stranger == 0 or rng.random() >= options.stranger:
            return None
        person = int(rng.integers(len(people)))
        box = people.boxes_xyxy[person].astype(np.float64)
        to_input, _ = augmentation.random_affine(rng, box, input_size, options)
        return warp(people.images[people.image_index[person]], to_input, input_size)


def _labels(people: People, teaching: Teaching | None) -> tuple[Float32, Float32]:
    """Weights `(N, K)` and positions `(N, K, 2)`: people's labels, else a trusted teacher's."""
    labelled = people.keypoints[..., 2] > 0
    weights = labelled.astype(np.float32)
    points = people.keypoints[..., :2].copy()
    if teaching is not None:
        borrowed = ~labelled & teaching.trusted
        weights[borrowed] = PSEUDO_WEIGHT
        points[borrowed] = teaching.keypoints[..., :2][borrowed]
    return weights, points


class Sampler(Protocol[BatchT]):
    """Makes batches."""

    def draw(self, count: int, input_size: Size, shares: tuple[float, ...]) -> BatchT:
        """One batch of `count` samples, `shares` of it from each annotation file."""


class Prefetcher(Generic[BatchT]):
    """Runs a sampler in one background thread and keeps a few batches ready."""

    def __init__(self, sampler: Sampler[BatchT], depth: int = 4) -> None:
        self._sampler = sampler
        self._ready: queue.Queue[BatchT | BaseException] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._request: tuple[int, Size, tuple[float, ...]] | None = None
        self._thread: threading.Thread | None = None

    def batches(self, count: int, input_size: Size, shares: tuple[float, ...]) -> Iterator[BatchT]:
        """Batches without end; call again to change what they are made of."""
        self.close()
        self._stopped.clear()
        self._request = (count, input_size, shares)
        self._thread = threading.Thread(target=self._produce, daemon=True)
        self._thread.start()
        while True:
            batch = self._ready.get()
            if isinstance(batch, BaseException):
                raise batch
            yield batch

    def close(self) -> None:
        """Stop the thread and drop what it had ready."""
        self._stopped.set()
        if self._thread is not None:
            while self._thread.is_alive():
                self._drain()
                self._thread.join(0.05)
            self._thread = None
        self._drain()

    def _drain(self) -> None:
        while True:
            try:
                self._ready.get_nowait()
            except queue.Empty:
                return

    def _produce(self) -> None:
        assert self._request is not None
        while not self._stopped.is_set():
            try:
                batch: BatchT | BaseException = self._sampler.draw(*self._request)
            except Exception as exc:  # noqa: BLE001 - handed to the consumer, which raises it
                batch = exc
            while not self._stopped.is_set():
                try:
                    self._ready.put(batch, timeout=0.2)
                    break
                except queue.Full:
                    continue
