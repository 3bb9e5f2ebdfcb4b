"""Calibration inputs: photographs through the runtime's own preprocessing, as uint8 crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge import backends, geometry
from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import (
    BottomUpSpec,
    DetectorSpec,
    InputSpec,
    Manifest,
    OneStageSpec,
    TopDownSpec,
)
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset, read_coco
from litepose_edge.networks import DEFAULT_DETECTOR
from litepose_edge.pipelines.detector import PersonDetector
from litepose_edge.pipelines.letterbox import Letterbox
from litepose_edge.preprocess import Image, Normalizer, warp
from litepose_edge.sources import read_image
from litepose_export.errors import ExportError

SEED = 20
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
Finder = Callable[[Image], Float32]


@dataclass(frozen=True, slots=True)
class Inputs(Sequence[NDArray[Any]]):
    """What a network is calibrated on: pixels in memory, normalised when they are asked for.

    Attributes:
        crops: `(N, H, W, 3)` uint8 BGR.
        spec: How they become inputs: `(1, 3, H, W)`, or `(1, H, W, 3)` with `channels_last`.
    """

    crops: NDArray[np.uint8]
    spec: InputSpec

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Inputs(self.crops[index], self.spec)
        return Normalizer(self.spec)(self.crops[index]).copy()

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def batch(self, indices: Sequence[int]) -> NDArray[Any]:
        """Several inputs as one, `(N, 3, H, W)` or `(N, H, W, 3)`."""
        return np.concatenate([self[int(i)] for i in indices])


def read_folder(folder: Path, find_people: Finder | None) -> CocoDataset:
    """Photographs of a folder as a dataset without labels.

    Args:
        folder: Searched with its subfolders.
        find_people: Gives the `(P, 4)` boxes of a photograph; None where no boxes are needed.

    Raises:
        SourceError: There are no photographs in it, or one is damaged.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise SourceError(f"no photographs in {folder}")
    images = []
    for number, path in enumerate(paths):
        boxes = np.zeros((0, 4), np.float32)
        if find_people is not None:
            boxes = find_people(read_image(path))
        keypoints = np.zeros((len(boxes), 0, 3), np.float32)
        crowd = np.zeros(len(boxes), np.bool_)
        images.append(AnnotatedImage(number, path, boxes, keypoints, crowd))
    return CocoDataset(folder, (), tuple(images))


def read_photographs(path: Path, manifest: Manifest) -> CocoDataset:
    """A COCO file, or a folder, where the bundled detector finds the people to crop."""
    if not path.is_dir():
        return read_coco(path)
    if not isinstance(manifest.model, TopDownSpec):
        return read_folder(path, None)
    found = backends.find_model(DEFAULT_DETECTOR, precision="fp32")
    detector = PersonDetector(found.open, found.manifest, 1)
    return read_folder(path, lambda image: detector(image, 0.3)[0])


def is_labelled(dataset: CocoDataset) -> bool:
    """Whether the people are labelled, rather than found by a detector."""
    return bool(dataset.keypoint_names)


def read_pixels(image: AnnotatedImage, dataset: CocoDataset) -> Image:
    """A photograph's pixels, `(H, W, 3)` uint8 BGR.

    Turned upright by its EXIF orientation as the runtime does, unless it is labelled: COCO's labels
    are of the pixels as they are stored.

    Raises:
        SourceError: It is missing or damaged.
    """
    return read_image(image.path, upright=not is_labelled(dataset))


def people_of(image: AnnotatedImage) -> NDArray[np.intp]:
    """Indices of those to crop: labelled people, or all that were found."""
    if image.keypoints.shape[1] == 0:
        return np.arange(len(image.boxes_xyxy))
    return np.flatnonzero((image.keypoints[..., 2] > 0).any(axis=1))


def shuffled(dataset: CocoDataset) -> list[AnnotatedImage]:
    """The photographs in an order that is the same every time."""
    order = np.random.default_rng(SEED).permutation(len(dataset))
    return [dataset.images[int(number)] for number in order]


def split(dataset: CocoDataset, part: float) -> tuple[CocoDataset, CocoDataset]:
    """Two datasets that share no photograph: the rest, and a part that is held out, one at least.

    Raises:
        ExportError: There are fewer than two photographs.
    """
    images = shuffled(dataset)
    if len(images) < 2:
        raise ExportError(
            f"{dataset.path} has {len(images)} photographs, and those that a quantized file is "
            "compared on are not calibrated on: give others with --gate (`held_out`), or more"
        )
    cut = len(images) - max(1, round(part * len(images)))
    names = dataset.keypoint_names
    return (
        CocoDataset(dataset.path, names, tuple(images[:cut])),
        CocoDataset(dataset.path, names, tuple(images[cut:])),
    )


def calibration_inputs(dataset: CocoDataset, manifest: Manifest, count: int) -> Inputs:
    """Inputs as a user's frames would make them, the same every time.

    Args:
        dataset: Photographs with boxes; of each, people are cropped one by one until there are
            enough, at first one of each photograph.
        manifest: What the network wants.
        count: How many inputs; fewer where there are fewer.

    Raises:
        SourceError: A photograph is damaged, or there is no person to crop.
    """
    rng = np.random.default_rng(SEED)
    size = manifest.input.size
    first: list[Image] = []
    others: list[Image] = []
    for image in shuffled(dataset):
        if len(first) >= count:
            break
        people = people_of(image)
        if isinstance(manifest.model, TopDownSpec) and not len(people):
            continue  # no person in this photograph to crop
        pixels = read_pixels(image, dataset)
        match manifest.model:
            case TopDownSpec(padding=padding):
                cut = [
                    warp(pixels, geometry.crop_view(box, size, padding), size)
                    for box in image.boxes_xyxy[rng.permutation(people)]
                ]
                first.append(cut[0])
                others += cut[1:]
            case DetectorSpec(fill=fill):
                to_input = geometry.letterbox_affine(Size.of(pixels), size)
                first.append(warp(pixels, to_input, size, fill=fill))
            case OneStageSpec(fill=fill, placement=placement):
                letterbox = Letterbox.fit(Size.of(pixels), size, placement)
                first.append(letterbox.draw(pixels, fill))
            case BottomUpSpec():
                first.append(warp(pixels, geometry.letterbox_affine(Size.of(pixels), size), size))
    crops = (first + others)[:count]
    if not crops:
        raise SourceError(f"no person to calibrate on in {dataset.path}")
    return Inputs(np.stack(crops), manifest.input)
