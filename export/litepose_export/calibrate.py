"""Calibration inputs: training photographs through the runtime's own preprocessing."""

from __future__ import annotations

import numpy as np

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import DetectorSpec, Manifest, TopDownSpec
from litepose_edge.measure.coco import AnnotatedImage, CocoDataset
from litepose_edge.preprocess import Normalizer, warp
from litepose_edge.sources import read_image

SEED = 20


def calibration_batches(dataset: CocoDataset, contract: Manifest, count: int) -> list[Float32]:
    """`count` inputs `(1, 3, H, W)` as a user's frames would make them, the same every time.

    Args:
        dataset: Photographs with boxes; people with keypoints are cropped.
        contract: What the network wants.
        count: How many inputs; fewer where there are fewer photographs.
    """
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(dataset))
    normalizer = Normalizer(contract.input)
    batches: list[Float32] = []
    for number in order:
        if len(batches) >= count:
            break
        image = dataset.images[int(number)]
        match contract.model:
            case TopDownSpec() as spec:
                affine = _person_affine(rng, image, contract.input.size, spec.padding)
                fill = (0, 0, 0)
            case DetectorSpec() as spec:
                affine, fill = None, spec.fill
        pixels = read_image(image.path, upright=False)
        if affine is None and isinstance(contract.model, TopDownSpec):
            continue
        if affine is None:
            affine = geometry.letterbox_affine(Size.of(pixels), contract.input.size)
        batches.append(normalizer(warp(pixels, affine, contract.input.size, fill=fill)).copy())
    return batches


def _person_affine(
    rng: np.random.Generator, image: AnnotatedImage, size: Size, padding: float
) -> geometry.Float64 | None:
    """One random labelled person of a photograph, if it has any."""
    labelled = np.flatnonzero((image.keypoints[..., 2] > 0).any(axis=1))
    if not len(labelled):
        return None
    box = image.boxes_xyxy[rng.choice(labelled)]
    return geometry.crop_affine(box, size, padding)
