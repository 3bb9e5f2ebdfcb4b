"""Turns whole photographs into augmented views of several people, for bottom-up training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset
from litepose_edge.preprocess import warp
from litepose_edge.skeletons import Skeleton, skeleton_of
from litepose_export.errors import ExportError
from litepose_export.training.core.photographs import Image, read_photographs
from litepose_export.training.data import augmentation

# Around a labelled joint so many input pixels count, even in the box of an unlabelled person.
COUNTED_RADIUS_PX = 16


@dataclass(frozen=True, slots=True)
class LabelledPhotographs:
    """Photographs and all people labelled in them.

    Attributes:
        images: Decoded BGR photographs.
        labels: Boxes and keypoints of each.
        source: `(N,)` int64, which of the annotation files a photograph came from.
    """

    images: tuple[Image, ...]
    labels: tuple[AnnotatedImage, ...]
    source: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sources(self) -> int:
        """Of how many files they are: one whose photographs show no one is not counted."""
        return len(np.unique(self.source))


def load_photographs(datasets: Sequence[CocoDataset]) -> LabelledPhotographs:
    """Every photograph in which a person has keypoints.

    Raises:
        ExportError: There is not one.
        SourceError: A photograph is missing or cannot be read.
    """
    chosen = [
        (number, image)
        for number, dataset in enumerate(datasets)
        for image in dataset
        if has_keypoints(image).any()
    ]
    if not chosen:
        names = ", ".join(str(dataset.path) for dataset in datasets)
        raise ExportError(
            f"nothing to train on in {names}: expected photographs of people with labelled "
            "keypoints, got none"
        )
    return LabelledPhotographs(
        images=read_photographs(image.path for _, image in chosen),
        labels=tuple(image for _, image in chosen),
        source=np.array([number for number, _ in chosen], np.int64),
    )


def has_keypoints(image: AnnotatedImage) -> NDArray[np.bool_]:
    """`(P,)` bool: people whose joints are labelled; of the others only the box is known."""
    labelled: NDArray[np.bool_] = (image.keypoints[..., 2] > 0).any(axis=1) & ~image.crowd
    return labelled


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How views differ from what the network is shown at run time.

    Attributes:
        short_side: Of the input at run time: it decides how large people are there.
        span: In views whose side is less than `short_side / span` people are smaller in
            proportion, so that a small view still shows whole people.
        scale: Range of the zoom around that size.
        smallest_px: The person a view is drawn around is at least so long in it.
        largest: And at most this part of the view.
        rotation_deg: Largest rotation, applied with probability `rotate`.
        rotate: Probability of a rotation.
        shift: Largest distance between the person's middle and the view's, as a part of the view.
        flip: Probability of mirroring.
        whole: Probability of the whole photograph instead, as the runtime letterboxes it.
        colour: Probability of other colours.
        blur: Probability of losing detail.
    """

    short_side: int = 256
    span: float = 2.0
    scale: tuple[float, float] = (0.7, 1.5)
    smallest_px: float = 40.0
    largest: float = 0.95
    rotation_deg: float = 30.0
    rotate: float = 0.6
    shift: float = 0.25
    flip: float = 0.5
    whole: float = 0.1
    colour: float = 0.8
    blur: float = 0.1


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """One optimiser step's worth of views.

    Attributes:
        crops: `(N, H, W, 3)` uint8 RGB.
        points: `(N, P, K, 2)` float32 `(x, y)` in input pixels.
        labelled: `(N, P, K)` bool; false also for people who fill up a smaller scene.
        counted: `(N, H, W)` float32, 0 where a person without labelled joints is.
    """

    crops: Tensor
    points: Tensor
    labelled: Tensor
    counted: Tensor


class ViewSampler:
    """Draws random augmented views; one random stream, repeatable from its seed.

    Args:
        photographs: What can be shown.
        options: How views are augmented.
        seed: Of the random stream.
        skeleton: Which keypoints are labelled; the usual set of as many unless given.

    Attributes:
        rng: The random stream.
    """

    def __init__(
        self,
        photographs: LabelledPhotographs,
        options: ViewOptions,
        seed: int,
        skeleton: Skeleton | None = None,
    ) -> None:
        self._photographs = photographs
        self._options = options
        self.rng = np.random.default_rng(seed)
        source = photographs.source
        self._members = [np.flatnonzero(source == s) for s in np.unique(source)]
        self._joints = photographs.labels[0].keypoints.shape[1]
        self._flip = list((skeleton or skeleton_of(self._joints)).flip_permutation)

    def draw(self, count: int, input_size: Size, shares: tuple[float, ...]) -> ViewBatch:
        """One batch of `count` views, `shares` of it from each annotation file."""
        sources = self.rng.choice(len(self._members), count, p=shares)
        crops = np.empty((count, input_size.height, input_size.width, 3), np.uint8)
        counted = np.empty(crops.shape[:3], np.float32)
        views = []
        for i, source in enumerate(sources):
            number = int(self.rng.choice(self._members[source]))
            crops[i], people, counted[i] = self._view(number, input_size)
            views.append(people)
        most = max(1, *(len(people) for people in views))
        filled = np.zeros((count, most, self._joints, 3), np.float32)
        for i, people in enumerate(views):
            filled[i, : len(people)] = people
        return ViewBatch(
            crops=torch.from_numpy(crops),
            points=torch.from_numpy(filled[..., :2]),
            labelled=torch.from_numpy(filled[..., 2] > 0),
            counted=torch.from_numpy(counted),
        )

    def _view(
        self, number: int, input_size: Size
    ) -> tuple[NDArray[np.uint8], Float32, NDArray[np.uint8]]:
        """Pixels, `(P, K, 3)` people with a joint inside, and where the view counts."""
        rng, options = self.rng, self._options
        image, labels = self._photographs.images[number], self._photographs.labels[number]
        known = has_keypoints(labels)
        to_input, mirrored = random_view(
            rng, Size.of(image), labels.boxes_xyxy[known], input_size, options
        )
        crop = warp(image, to_input, input_size)
        if rng.random() < options.blur:
            crop = augmentation.blur_or_downscale(rng, crop)
        if rng.random() < options.colour:
            crop = augmentation.jitter_colours(rng, crop)
        people = placed(labels.keypoints[known], to_input, input_size)
        if mirrored:
            people = people[:, self._flip]
        counted = counted_pixels(labels.boxes_xyxy[~known], people, to_input, input_size)
        pixels = np.ascontiguousarray(crop[..., ::-1])
        return pixels, people, counted


def random_view(
    rng: np.random.Generator,
    image_size: Size,
    boxes_xyxy: Float32,
    input_size: Size,
    options: ViewOptions,
) -> tuple[Float64, bool]:
    """Image-to-input map around one of the people, and whether it mirrors.

    The person is about as long as at run time, or as a small view's span allows.

    Args:
        rng: The random stream.
        image_size: Size of the photograph.
        boxes_xyxy: `(P, 4)` float32, at least one.
        input_size: Size of the view.
        options: How far views differ.
    """
    mirrored = bool(rng.random() < options.flip)
    mirror = np.diag([-1.0, 1.0]) if mirrored else np.eye(2)
    middle = np.array([input_size.width - 1, input_size.height - 1]) / 2
    if rng.random() < options.whole:
        whole = geometry.letterbox_affine(image_size, input_size)
        return geometry.compose(
            np.column_stack([mirror, middle - mirror @ middle]), whole
        ), mirrored
    box = boxes_xyxy[rng.integers(len(boxes_xyxy))].astype(np.float64)
    length = max(box[2] - box[0], box[3] - box[1], 1.0)
    side = min(options.short_side, options.span * min(input_size.width, input_size.height))
    usual = side / min(image_size.width, image_size.height)
    wanted = length * usual * np.exp(rng.uniform(*np.log(options.scale)))
    room = options.largest * min(input_size.width, input_size.height)
    scale = min(max(wanted, options.smallest_px), room) / length
    angle = 0.0
    if rng.random() < options.rotate:
        angle = np.deg2rad(rng.uniform(-options.rotation_deg, options.rotation_deg))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = mirror @ np.array([[cos, -sin], [sin, cos]])
    shift = rng.uniform(-options.shift, options.shift, 2) * [input_size.width, input_size.height]
    return np.column_stack([linear, middle + shift - linear @ (box[:2] + box[2:]) / 2]), mirrored


def placed(keypoints: Float32, to_input: Float64, input_size: Size) -> Float32:
    """`(P, K, 3)` people in input pixels, without those who have no labelled joint inside."""
    people = keypoints.copy()
    people[..., :2] = geometry.transform(to_input, keypoints[..., :2])
    limits = np.array([input_size.width, input_size.height], np.float32)
    inside = ((people[..., :2] >= 0) & (people[..., :2] < limits)).all(axis=2)
    seen: Float32 = people[(inside & (people[..., 2] > 0)).any(axis=1)]
    return seen


def counted_pixels(
    unlabelled_xyxy: Float32, people: Float32, to_input: Float64, input_size: Size
) -> NDArray[np.uint8]:
    """`(H, W)` uint8, 0 in the boxes of people without labelled joints, else 1.

    As published, but for boxes in place of masks: what lies near a labelled joint counts.

    Args:
        unlabelled_xyxy: `(U, 4)` float32 in image pixels.
        people: `(P, K, 3)` float32 `(x, y, v)` in input pixels.
        to_input: Image pixels to input pixels.
        input_size: Size of the view.
    """
    counted = np.ones((input_size.height, input_size.width), np.uint8)
    if not len(unlabelled_xyxy):
        return counted
    for x1, y1, x2, y2 in unlabelled_xyxy.tolist():
        corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        moved = geometry.transform(to_input, corners).round().astype(np.int32)
        cv2.fillConvexPoly(counted, moved, 0)
    for x, y, visible in people.reshape(-1, 3).tolist():
        near = -COUNTED_RADIUS_PX < x < input_size.width + COUNTED_RADIUS_PX
        near &= -COUNTED_RADIUS_PX < y < input_size.height + COUNTED_RADIUS_PX
        if visible > 0 and near:
            cv2.circle(counted, (round(x), round(y)), COUNTED_RADIUS_PX, 1, -1)
    return counted
