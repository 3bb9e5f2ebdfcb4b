"""Calibration inputs: training photographs through the runtime's own preprocessing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.geometry import Size
from litepose_edge.manifest import BottomUpSpec, DetectorSpec, Manifest, TopDownSpec
from litepose_edge.measure.coco import CocoDataset
from litepose_edge.preprocess import Normalizer, warp
from litepose_edge.sources import read_image

SEED = 20


def calibration_batches(dataset: CocoDataset, contract: Manifest, count: int) -> list[NDArray[Any]]:
    """`count` inputs `(1, 3, H, W)` as a user's frames would make them, the same every time.

    Args:
        dataset: Photographs with boxes; people with keypoints are cropped.
        contract: What the network wants.
        count: How many inputs; fewer where there are fewer photographs.
    """
    rng = np.random.default_rng(SEED)
    normalizer = Normalizer(contract.input)
    size = contract.input.size
    batches: list[NDArray[Any]] = []
    for number in rng.permutation(len(dataset)):
        if len(batches) == count:
            break
        image = dataset.images[int(number)]
        labelled = np.flatnonzero((image.keypoints[..., 2] > 0).any(axis=1))
        pixels = read_image(image.path, upright=False)
        match contract.model:
            case TopDownSpec(padding=padding) if len(labelled):
                box = image.boxes_xyxy[rng.choice(labelled)]
                crop = warp(pixels, geometry.crop_view(box, size, padding), size)
            case DetectorSpec(fill=fill):
                to_input = geometry.letterbox_affine(Size.of(pixels), size)
                crop = warp(pixels, to_input, size, fill=fill)
            case BottomUpSpec():
                crop = warp(pixels, geometry.letterbox_affine(Size.of(pixels), size), size)
            case _:
                continue  # nobody in this photograph to crop
        batches.append(normalizer(crop).copy())
    return batches
