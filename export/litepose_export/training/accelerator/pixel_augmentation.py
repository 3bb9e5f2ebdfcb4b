"""Augmentation of training crops' pixels on the device that trains: whole batches at once.

The same as in `data.augmentation`, drawn for every crop alone, but for the strength of blur and
downscaling: that is one draw a batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.training.data.augmentation import Augmentation

GREY = (0.299, 0.587, 0.114)
BLUR_RADIUS = 4


class PixelAugmenter:
    """Augments batches; one random stream, repeatable from its seed.

    Args:
        options: How much.
        seed: Of the stream.
        device: Where the batches are.
    """

    def __init__(self, options: Augmentation, seed: int, device: str) -> None:
        self._options, self._device = options, device
        self._random = torch.Generator(device).manual_seed(seed)
        # For what a batch has in common: asking the CPU costs no wait for the device.
        self._common = torch.Generator().manual_seed(seed)

    def __call__(self, crops: Tensor, masks: Tensor | None = None) -> Tensor:
        """Augmented crops.

        Args:
            crops: `(N, 3, H, W)` float32 RGB in `[0, 255]`, in a random order.
            masks: `(N, 1, H, W)`, 1 where the person of a crop is, or None.

        Returns:
            As `crops`.
        """
        if masks is not None:
            crops = self._paste_occluders(crops, masks)
        crops = self._blur_or_downscale(crops)
        crops = self._jitter_colours(crops)
        return self._cover_rectangles(crops)

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        drawn = torch.rand(shape, generator=self._random, device=self._device)
        return low + (high - low) * drawn

    def _blur_or_downscale(self, crops: Tensor) -> Tensor:
        """Of neighbours, since their order is random: no index has to be looked up."""
        count = round(len(crops) * self._options.blur)
        if count < 2:
            return crops
        start = self._start(len(crops) - count)
        half, end = start + count // 2, start + count
        sigma, factor = self._draw_once(0.5, 1.8), self._draw_once(0.25, 0.7)
        height, width = crops.shape[2:]
        small = (max(int(height * factor), 1), max(int(width * factor), 1))
        shrunk = F.interpolate(crops[half:end], small, mode="area")
        enlarged = F.interpolate(shrunk, (height, width), mode="bilinear")
        blurred = _blur(crops[start:half], sigma)
        return torch.cat([crops[:start], blurred, enlarged, crops[end:]])

    def _start(self, last: int) -> int:
        """Where neighbours begin, up to `last`."""
        return min(int(self._draw_once(0, last + 1)), last)

    def _draw_once(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self._common))

    def _jitter_colours(self, crops: Tensor) -> Tensor:
        count = len(crops)
        saturation = self._uniform(0.5, 1.5, count, 1, 1)
        saturation = saturation * (self._uniform(0, 1, count, 1, 1) >= 0.05)
        eye = torch.eye(3, device=self._device)
        grey = torch.tensor(GREY, device=self._device).expand(3, 3)
        mix = saturation * eye + (1 - saturation) * grey
        mix = self._uniform(0.85, 1.15, count, 3, 1) * mix * self._uniform(0.6, 1.4, count, 1, 1)
        offset = self._uniform(-30, 30, count, 3, 1) + (1 - mix.sum(dim=2, keepdim=True)) * 60
        changed = self._uniform(0, 1, count, 1, 1) < self._options.colour
        mix, offset = torch.where(changed, mix, eye), torch.where(changed, offset, 0.0)
        mixed = torch.baddbmm(offset, mix, crops.flatten(2)).clamp_(0, 255)
        with_gamma = changed & (self._uniform(0, 1, count, 1, 1) < 0.3)
        gamma = torch.where(with_gamma, self._uniform(0.6, 1.7, count, 1, 1), 1.0)
        return ((mixed / 255) ** gamma * 255).view(crops.shape)

    def _paste_occluders(self, crops: Tensor, masks: Tensor) -> Tensor:
        """The person of the crop before last, moved, pasted in front of a few neighbours."""
        count = round(len(crops) * self._options.occluder)
        if count < 1:
            return crops
        height, width = crops.shape[2:]
        moves = [round(self._draw_once(-0.5, 0.5) * n) for n in (height, width)]
        start = self._start(len(crops) - count)
        end = start + count
        people, where = (t.roll(2, 0)[start:end].roll(moves, (2, 3)) for t in (crops, masks))
        hidden = torch.lerp(crops[start:end], people, where)
        return torch.cat([crops[:start], hidden, crops[end:]])

    def _cover_rectangles(self, crops: Tensor) -> Tensor:
        """Rectangles of one colour, of noise, or of the next crop, moved."""
        count, _, height, width = crops.shape
        h = self._uniform(0.1, 0.35, count, 1, 1, 1) * height
        w = self._uniform(0.15, 0.5, count, 1, 1, 1) * width
        top = self._uniform(0, 1, count, 1, 1, 1) * (height - h)
        left = self._uniform(0, 1, count, 1, 1, 1) * (width - w)
        y = torch.arange(height, device=self._device)[:, None] - top
        x = torch.arange(width, device=self._device) - left
        covered = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        covered &= self._uniform(0, 1, count, 1, 1, 1) < self._options.cutout
        noise = self._uniform(0, 255, count, 3, height, width)
        plain = self._uniform(0, 1, count, 1, 1, 1) < 0.5
        cover = torch.where(plain, noise[..., :1, :1], noise)
        moves = [round(self._draw_once(-0.3, 0.3) * n) for n in (height, width)]
        other = crops.roll(1, 0).roll(moves, (2, 3))
        mixed = self._uniform(0, 1, count, 1, 1, 1) < self._options.cutmix
        return torch.where(covered, torch.where(mixed, other, cover), crops)


def _blur(crops: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, the edge repeated beyond it."""
    taps = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(-BLUR_RADIUS, BLUR_RADIUS + 1)]
    kernel = (torch.tensor(taps, device=crops.device) / sum(taps)).expand(3, 1, 1, -1)
    padded = F.pad(crops, [BLUR_RADIUS] * 4, mode="replicate")
    across = F.conv2d(padded, kernel, groups=3)
    return F.conv2d(across, kernel.transpose(2, 3), groups=3)
