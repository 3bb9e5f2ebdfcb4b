"""What happens to the pixels of training crops, on the device that trains: whole batches at once.

The same disturbances as in `augment`, drawn for every crop alone, but for how much detail is
lost: that is one draw a batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.training.data.augmentation import Augmentation

GREY = (0.299, 0.587, 0.114)
BLUR_RADIUS = 4


class Disturber:
    """Disturbs batches; one random stream, repeatable from its seed.

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

    def __call__(self, crops: Tensor, outlines: Tensor | None = None) -> Tensor:
        """Disturbed crops.

        Args:
            crops: `(N, 3, H, W)` float32 RGB in `[0, 255]`, in a random order.
            outlines: `(N, 1, H, W)`, 1 where the person of a crop is, or None.

        Returns:
            As `crops`.
        """
        if outlines is not None:
            crops = self._stand_in_front(crops, outlines)
        crops = self._lose_detail(crops)
        crops = self._disturb_colours(crops)
        return self._hide_parts(crops)

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        drawn = torch.rand(shape, generator=self._random, device=self._device)
        return low + (high - low) * drawn

    def _lose_detail(self, crops: Tensor) -> Tensor:
        """Of neighbours, since their order is random: no index has to be looked up."""
        count = round(len(crops) * self._options.blur)
        if count < 2:
            return crops
        start = self._start(len(crops) - count)
        half, end = start + count // 2, start + count
        sigma, factor = self._once(0.5, 1.8), self._once(0.25, 0.7)
        height, width = crops.shape[2:]
        small = (max(int(height * factor), 1), max(int(width * factor), 1))
        shrunk = F.interpolate(crops[half:end], small, mode="area")
        blown_up = F.interpolate(shrunk, (height, width), mode="bilinear")
        blurred = _blur(crops[start:half], sigma)
        return torch.cat([crops[:start], blurred, blown_up, crops[end:]])

    def _start(self, last: int) -> int:
        """Where neighbours begin, up to `last`."""
        return min(int(self._once(0, last + 1)), last)

    def _once(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self._common))

    def _disturb_colours(self, crops: Tensor) -> Tensor:
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
        bent = changed & (self._uniform(0, 1, count, 1, 1) < 0.3)
        gamma = torch.where(bent, self._uniform(0.6, 1.7, count, 1, 1), 1.0)
        return ((mixed / 255) ** gamma * 255).view(crops.shape)

    def _stand_in_front(self, crops: Tensor, outlines: Tensor) -> Tensor:
        """The person of the crop before last, moved, in front of a few neighbours."""
        count = round(len(crops) * self._options.in_front)
        if count < 1:
            return crops
        height, width = crops.shape[2:]
        moves = [round(self._once(-0.5, 0.5) * n) for n in (height, width)]
        start = self._start(len(crops) - count)
        end = start + count
        people, where = (t.roll(2, 0)[start:end].roll(moves, (2, 3)) for t in (crops, outlines))
        hidden = torch.lerp(crops[start:end], people, where)
        return torch.cat([crops[:start], hidden, crops[end:]])

    def _hide_parts(self, crops: Tensor) -> Tensor:
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
        moves = [round(self._once(-0.3, 0.3) * n) for n in (height, width)]
        stranger = crops.roll(1, 0).roll(moves, (2, 3))
        strange = self._uniform(0, 1, count, 1, 1, 1) < self._options.stranger
        return torch.where(covered, torch.where(strange, stranger, cover), crops)


def _blur(crops: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, the edge repeated beyond it."""
    taps = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(-BLUR_RADIUS, BLUR_RADIUS + 1)]
    kernel = (torch.tensor(taps, device=crops.device) / sum(taps)).expand(3, 1, 1, -1)
    padded = F.pad(crops, [BLUR_RADIUS] * 4, mode="replicate")
    across = F.conv2d(padded, kernel, groups=3)
    return F.conv2d(across, kernel.transpose(2, 3), groups=3)
