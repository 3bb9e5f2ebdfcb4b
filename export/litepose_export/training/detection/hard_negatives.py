"""Finds places without people in photographs, and among them a detector's false positives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from litepose_edge.geometry import Float32, Size
from litepose_export.models.architectures.persondet import flatten
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.photographs import Image

MINING_INPUT = Size(224, 224)
TILES_A_BATCH = 16


@dataclass(frozen=True, slots=True)
class Tile:
    """A place in a photograph: which one, and `(x, y, width, height)` in its pixels."""

    photograph: int
    box_xywh: tuple[float, float, float, float]


def random_tile(
    rng: np.random.Generator, images: Sequence[Image], people_xyxy: Sequence[Float32]
) -> Tile | None:
    """A random place that touches none of its photograph's boxes; None if 30 tries found none."""
    for _ in range(30):
        number = int(rng.integers(len(images)))
        height, width = images[number].shape[:2]
        w, h = width * rng.uniform(0.25, 0.9), height * rng.uniform(0.25, 0.9)
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        people = people_xyxy[number]
        low, high = np.maximum(people[:, :2], [x, y]), np.minimum(people[:, 2:], [x + w, y + h])
        if not (high > low).all(axis=1).any():
            return Tile(number, (x, y, w, h))
    return None


def crop_tile(image: Image, tile: Tile, size: Size) -> Image:
    """The tile's pixels, stretched to a size."""
    x, y, w, h = tile.box_xywh
    linear = np.diag([size.width / w, size.height / h])
    affine = np.column_stack([linear, -linear @ np.array([x, y])])
    return cv2.warpAffine(
        image, affine, (size.width, size.height), borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8, copy=False)


@torch.no_grad()
def mine_hard_negatives(
    network: nn.Module,
    images: Sequence[Image],
    people_xyxy: Sequence[Float32],
    rng: np.random.Generator,
    progress: Callable[[], None],
    *,
    tries: int = 4000,
    share: float = 0.15,
) -> list[Tile]:
    """Random tiles without people that the network scores highest.

    Args:
        network: The detector.
        images: Photographs.
        people_xyxy: For each photograph `(P, 4)` boxes that no tile may touch.
        rng: The random stream.
        progress: Called after every `TILES_A_BATCH` tries.
        tries: Tiles to draw.
        share: Part of the tiles to return.
    """
    was_training = network.training
    network.eval()
    tiles: list[Tile] = []
    scores: list[float] = []
    for _ in range(tries // TILES_A_BATCH):
        found = [random_tile(rng, images, people_xyxy) for _ in range(TILES_A_BATCH)]
        batch = [tile for tile in found if tile is not None]
        progress()
        if not batch:  # people are nearly everywhere
            continue
        pixels = [
            cv2.cvtColor(crop_tile(images[t.photograph], t, MINING_INPUT), cv2.COLOR_BGR2RGB)
            for t in batch
        ]
        levels = network(normalise(torch.from_numpy(np.stack(pixels))))
        best = flatten(levels).logits.float().amax(dim=1)
        tiles += batch
        scores += best.tolist()
    network.train(was_training)
    order = np.argsort(scores)[::-1][: round(share * len(tiles))]
    return [tiles[i] for i in order]
