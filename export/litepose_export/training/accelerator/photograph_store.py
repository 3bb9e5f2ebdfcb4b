"""Photographs in the memory of the device that trains, and views cut out of many at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litepose_edge.geometry import Float64, Size
from litepose_export.errors import ExportError
from litepose_export.training.accelerator.cuda_graphs import Replay
from litepose_export.training.core.photographs import Image

LEVELS = 3  # whole pixels, blocks of 2 and of 4: what `geometry.reduction` asks for


class PhotographStore:
    """Photographs of any sizes in one flat tensor, each also reduced to half and a quarter.

    A pixel is one 32-bit integer, so that a bilinear tap is one read.

    Args:
        images: `(H, W, 3)` uint8 BGR.
        device: Where they live: `"cpu"` or `"cuda"`.
        masks: For each photograph `(H, W)` uint8 ids of people, 0 for background; or None.

    Raises:
        ExportError: They are of more pixels than 32 bits can number.
    """

    def __init__(
        self, images: Sequence[Image], device: str, masks: Sequence[NDArray[np.uint8]] | None = None
    ) -> None:
        _check_pixels(images)
        given = [None] * len(images) if masks is None else masks
        with ThreadPoolExecutor() as pool:
            levels = [level for found in pool.map(_levels, images, given) for level in found]
        shapes = np.array([level.shape for level in levels], np.int64)
        ends = np.cumsum(shapes.prod(axis=1))
        flat = np.empty(ends[-1], np.int32)
        for level, end in zip(levels, ends, strict=True):
            flat[end - level.size : end] = level.ravel()
        self._pixels = torch.from_numpy(flat).to(device)
        table = np.column_stack([ends - shapes.prod(axis=1), shapes]).reshape(-1, LEVELS, 3)
        self._table = torch.from_numpy(table.astype(np.int32)).to(device)
        self._device = device
        self._cut: dict[Size, Replay] = {}

    def sample(
        self, numbers: Tensor, to_image: Float64, size: Size, person_ids: Tensor | None = None
    ) -> Tensor:
        """Views, each of its own photograph, as the runtime's `preprocess.warp` cuts them.

        Args:
            numbers: `(N,)` int64, photographs.
            to_image: `(N, 2, 3)`, pixels of the views to pixels of the photographs.
            size: Of the views.
            person_ids: `(N,)` uint8, whose masks to cut as well: the result's fourth channel.

        Returns:
            `(N, 3, H, W)` float32 RGB in `[0, 255]`, black beyond the photographs. The fourth
            channel is 1 where a pixel belongs to the person, 0 elsewhere and for id 0.
        """
        # As many image pixels as a view's pixel covers: from two on, blocks are averaged.
        covered = np.sqrt(np.abs(np.linalg.det(to_image[..., :2])))
        level = np.floor(np.log2(covered.clip(1, None))).astype(np.int64).clip(0, LEVELS - 1)
        block = 2.0 ** level[:, None, None]
        affine = np.concatenate(
            [to_image[..., :2] / block, (to_image[..., 2:] + 0.5) / block - 0.5], axis=2
        )
        places = torch.from_numpy(affine.astype(np.float32)).to(self._device, non_blocking=True)
        chosen = torch.from_numpy(level).to(self._device, non_blocking=True)
        rows = self._table[numbers.to(self._device), chosen]
        cut = self._cut.setdefault(size, self._cutter(size))
        if person_ids is None:
            return cut(rows, places)
        # No pixel has id 256.
        wanted = person_ids.to(self._device).int()
        return cut(rows, places, torch.where(wanted == 0, 256, wanted))

    def _cutter(self, size: Size) -> Replay:
        """Cuts views of one size."""

        def cut(rows: Tensor, places: Tensor, wanted: Tensor | None = None) -> Tensor:
            start, height, width = (rows[:, i, None, None] for i in range(3))
            x, y = _grid(places, size)
            left, top = x.floor(), y.floor()
            across, down = x - left, y - top
            left, top = left.int(), top.int()
            found: list[Tensor | float] = [0.0] * (3 if wanted is None else 4)
            for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
                column, row = left + dx, top + dy
                inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
                at = torch.where(inside, start + row * width + column, 0)
                pixel = self._pixels.index_select(0, at.flatten()).view(at.shape)
                weight = (across if dx else 1 - across) * (down if dy else 1 - down) * inside
                # 8 bits each: id, red, green, blue.
                for channel, shift in enumerate((16, 8, 0)):
                    found[channel] = found[channel] + weight * ((pixel >> shift) & 255)
                if wanted is not None:
                    own = ((pixel >> 24) & 255) == wanted[:, None, None]
                    found[3] = found[3] + weight * own
            return torch.stack([torch.as_tensor(channel) for channel in found], 1)

        return Replay(cut)


def _check_pixels(images: Sequence[Image]) -> None:
    # Half and quarter have a fourth and a sixteenth of the pixels, rounded down.
    most = int(torch.iinfo(torch.int32).max / sum(0.25**level for level in range(LEVELS)))
    pixels = sum(image.shape[0] * image.shape[1] for image in images)
    if pixels > most:
        raise ExportError(
            f"--data-on-device keeps at most {most} pixels of photographs, got {pixels} in "
            f"{len(images)}: give fewer or smaller ones, or train without --data-on-device"
        )


def _levels(image: Image, mask: NDArray[np.uint8] | None) -> list[NDArray[np.int32]]:
    """`(H, W)` int32 pixels, id, red, green, blue; whole and as means over blocks."""
    found = []
    for level in range(LEVELS):
        if level and min(image.shape[:2]) >= 2:
            height, width = (n // 2 for n in image.shape[:2])
            even = image[: 2 * height, : 2 * width]
            halved = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
            image = halved.astype(np.uint8, copy=False)
            mask = None if mask is None else mask[: 2 * height : 2, : 2 * width : 2]
        blue, green, red = np.moveaxis(image.astype(np.int32), 2, 0)
        pixels = red << 16 | green << 8 | blue
        found.append(pixels if mask is None else pixels | mask.astype(np.int32) << 24)
    return found


def _grid(places: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """`(N, H, W)` x and y that affine maps send the pixels of a view to."""
    columns = torch.arange(size.width, device=places.device, dtype=torch.float32)
    rows = torch.arange(size.height, device=places.device, dtype=torch.float32)[:, None]
    x, y = (
        places[:, i, 0, None, None] * columns
        + places[:, i, 1, None, None] * rows
        + places[:, i, 2, None, None]
        for i in range(2)
    )
    return x, y
