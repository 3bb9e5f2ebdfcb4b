"""Random training scenes for the detector: single photographs, mosaics, and empty scenes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.boxes import box_area, box_iou
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.measure.accuracy.coco import AnnotatedImage
from litepose_export.training.data.augmentation import blur_or_downscale, jitter_colours
from litepose_export.training.detection import textures
from litepose_export.training.detection.assignment import Truth
from litepose_export.training.detection.hard_negatives import Tile, crop_tile, random_tile

GREY = (114, 114, 114)
SURE, UNSURE, SEPARATE_IOU = 0.5, 0.3, 0.3
PSEUDO_LABEL_WEIGHT = 0.5
MIN_SIDE_PX = 5.0


@dataclass(frozen=True, slots=True)
class BoxLabels:
    """Boxes of one photograph.

    Attributes:
        boxes: `(G, 4)` float32, people to find.
        weights: `(G,)` float32, 1 labelled by people, 0.5 a pseudo-label.
        ignored: `(I, 4)` float32, places where the teacher is unsure.
    """

    boxes: Float32
    weights: Float32
    ignored: Float32


@dataclass(frozen=True, slots=True)
class SceneBatch:
    """One optimiser step's scenes: `(N, H, W, 3)` uint8 RGB and what is in them."""

    images: torch.Tensor
    truth: Truth


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """How scenes are made.

    Attributes:
        empty: Probability of a scene without people.
        drawn: Of those, how many are drawn textures instead of parts of photographs.
        hard: Of the parts, how many are hard negatives.
        mosaic: Probability that a scene with people is four photographs.
        zoom: Range of the zoom around a photograph that just fits.
        blur: Probability of losing detail.
    """

    empty: float = 0.2
    drawn: float = 0.3
    hard: float = 0.5
    mosaic: float = 0.5
    zoom: tuple[float, float] = (0.6, 1.7)
    blur: float = 0.1


def merge_labels(
    images: Iterable[AnnotatedImage], pseudo_labels: Sequence[Float32]
) -> list[BoxLabels]:
    """Merge labels with a teacher's `(P, 5)` boxes and scores, photograph by photograph."""
    merged = []
    for image, boxes in zip(images, pseudo_labels, strict=True):
        own = image.boxes_xyxy
        iou = box_iou(boxes[:, :4], own)
        apart = iou.max(axis=1, initial=0) < SEPARATE_IOU
        extra = boxes[apart & (boxes[:, 4] >= SURE), :4]
        unsure = boxes[apart & (boxes[:, 4] >= UNSURE) & (boxes[:, 4] < SURE), :4]
        weights = np.r_[np.ones(len(own)), np.full(len(extra), PSEUDO_LABEL_WEIGHT)]
        merged.append(BoxLabels(np.concatenate([own, extra]), weights.astype(np.float32), unsure))
    return merged


def occupied(labels: BoxLabels) -> Float32:
    """Where people are or might be, as `(P, 4)` boxes."""
    return np.concatenate([labels.boxes, labels.ignored])


class SceneSampler:
    """Draws random scenes; one random stream, repeatable from its seed.

    Args:
        images: `(H, W, 3)` uint8 BGR photographs.
        labels: Of each photograph.
        options: How scenes are made.
        seed: Of the random stream.
        hard_negatives: Places to show more often among those without people.
        sources: How many of the photographs, in their order, each source of data brings; all are
            one source unless given.

    Attributes:
        rng: The random stream.
    """

    def __init__(
        self,
        images: Sequence[NDArray[np.uint8]],
        labels: Sequence[BoxLabels],
        options: SceneOptions,
        seed: int,
        hard_negatives: Sequence[Tile] = (),
        sources: Sequence[int] = (),
    ) -> None:
        self._images, self._labels, self._options = images, labels, options
        self._ends = np.cumsum(sources or [len(images)])
        self._people = [occupied(found) for found in labels]
        self._hard_negatives = hard_negatives
        self.rng = np.random.default_rng(seed)

    def draw(self, count: int, input_size: Size, shares: tuple[float, ...]) -> SceneBatch:
        """A batch of scenes; `shares` says how much of it comes from each source."""
        images = np.empty((count, input_size.height, input_size.width, 3), np.uint8)
        labels = []
        for i in range(count):
            scene, found = self._scene(input_size, shares)
            if self.rng.random() < self._options.blur:
                scene = blur_or_downscale(self.rng, scene)
            cv2.cvtColor(jitter_colours(self.rng, scene), cv2.COLOR_BGR2RGB, dst=images[i])
            labels.append(found)
        return SceneBatch(torch.from_numpy(images), _pad(labels))

    def _scene(self, size: Size, shares: tuple[float, ...]) -> tuple[NDArray[np.uint8], BoxLabels]:
        rng, options = self.rng, self._options
        if rng.random() < options.empty:
            return self._empty_scene(size), no_people()
        canvas = np.full((size.height, size.width, 3), GREY, np.uint8)
        if rng.random() >= options.mosaic:
            return canvas, self._place(canvas, (0, 0, size.width, size.height), shares)
        x = int(size.width * rng.uniform(0.3, 0.7))
        y = int(size.height * rng.uniform(0.3, 0.7))
        quarters = (
            (0, 0, x, y),
            (x, 0, size.width, y),
            (0, y, x, size.height),
            (x, y, size.width, size.height),
        )
        parts = [self._place(canvas, quarter, shares) for quarter in quarters]
        return canvas, BoxLabels(
            np.concatenate([p.boxes for p in parts]),
            np.concatenate([p.weights for p in parts]),
            np.concatenate([p.ignored for p in parts]),
        )

    def _choose(self, shares: tuple[float, ...]) -> int:
        """The number of a random photograph, of a source chosen by its share."""
        source = 0
        if len(self._ends) > 1:
            source = int(np.searchsorted(np.cumsum(shares), self.rng.random(), side="right"))
            source = min(source, len(self._ends) - 1)
        first = int(self._ends[source - 1]) if source else 0
        return int(self.rng.integers(first, self._ends[source]))

    def _place(
        self,
        canvas: NDArray[np.uint8],
        area: tuple[int, int, int, int],
        shares: tuple[float, ...],
    ) -> BoxLabels:
        """Draw one random photograph into a part of the canvas; return what is visible of it."""
        rng = self.rng
        number = self._choose(shares)
        image, labels = self._images[number], self._labels[number]
        x1, y1, x2, y2 = area
        part = Size(x2 - x1, y2 - y1)
        fit = geometry.letterbox_affine(Size.of(image), part)
        zoom = np.exp(rng.uniform(*np.log(self._options.zoom)))
        stretch = np.exp(rng.uniform(-0.12, 0.12))
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        extent = np.array([part.width, part.height], np.float64)
        # Zooming in may show any part of the photograph; zooming out keeps most of it in the scene.
        slack = np.abs(np.array([image.shape[1], image.shape[0]]) * fit[0, 0] * zoom - extent)
        linear = np.diag([mirror * zoom * stretch, zoom / stretch])
        centre = (extent - 1) / 2
        shift = rng.uniform(-0.5, 0.5, 2) * slack
        to_part = geometry.compose(np.column_stack([linear, centre - linear @ centre + shift]), fit)
        cv2.warpAffine(
            image,
            to_part,
            (part.width, part.height),
            dst=canvas[y1:y2, x1:x2],
            flags=cv2.INTER_AREA if zoom * fit[0, 0] < 0.5 else cv2.INTER_LINEAR,
            borderValue=GREY,
        )
        return _visible(labels, to_part, part, np.array([x1, y1, x1, y1], np.float32))

    def _empty_scene(self, size: Size) -> NDArray[np.uint8]:
        rng = self.rng
        if rng.random() < self._options.drawn:
            return textures.draw_texture(rng, size)
        hard = self._hard_negatives
        if hard and rng.random() < self._options.hard:
            tile: Tile | None = hard[int(rng.integers(len(hard)))]
        else:
            tile = random_tile(rng, self._images, self._people)
        if tile is None:
            return textures.draw_texture(rng, size)
        scene = crop_tile(self._images[tile.photograph], tile, size)
        if rng.random() < 0.2:
            grey = cv2.cvtColor(scene, cv2.COLOR_BGR2GRAY)
            scene = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
        return np.ascontiguousarray(scene[:, ::-1] if rng.random() < 0.5 else scene)


def _visible(labels: BoxLabels, to_part: Float64, part: Size, offset: Float32) -> BoxLabels:
    boxes, seen = _move(labels.boxes, to_part, part)
    ignored, ignored_seen = _move(labels.ignored, to_part, part)
    side = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    keep = (seen >= 0.35) & (side >= MIN_SIDE_PX)
    doubtful = ~keep & (seen > 0.02)
    return BoxLabels(
        boxes=boxes[keep] + offset,
        weights=labels.weights[keep],
        ignored=np.concatenate([boxes[doubtful], ignored[ignored_seen > 0.02]]) + offset,
    )


def _move(boxes: Float32, affine: Float64, part: Size) -> tuple[Float32, Float32]:
    corners = geometry.transform(affine, boxes.reshape(-1, 2)).reshape(-1, 2, 2)
    moved = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    limits = np.array([part.width, part.height] * 2, np.float32)
    clipped = moved.clip(0, limits)
    seen = box_area(clipped) / np.maximum(box_area(moved), 1e-6)
    return clipped.astype(np.float32), seen.astype(np.float32)


def no_people() -> BoxLabels:
    """Labels of a photograph without people."""
    none = np.zeros((0, 4), np.float32)
    return BoxLabels(none, np.zeros(0, np.float32), none)


def _pad(labels: Sequence[BoxLabels]) -> Truth:
    people = max(1, *(len(found.boxes) for found in labels))
    places = max(1, *(len(found.ignored) for found in labels))
    boxes = np.zeros((len(labels), people, 4), np.float32)
    weights = np.zeros((len(labels), people), np.float32)
    ignored = np.zeros((len(labels), places, 4), np.float32)
    for i, found in enumerate(labels):
        boxes[i, : len(found.boxes)] = found.boxes
        weights[i, : len(found.boxes)] = found.weights
        ignored[i, : len(found.ignored)] = found.ignored
    return Truth(torch.from_numpy(boxes), torch.from_numpy(weights), torch.from_numpy(ignored))
