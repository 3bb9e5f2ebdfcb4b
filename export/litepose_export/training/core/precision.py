"""Whether a device trains faster in bfloat16 than in float32."""

from __future__ import annotations

import time
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

# Gradients of depthwise convolutions with such kernels take a CPU twice as long in bfloat16.
SLOW_DEPTHWISE = 5
# Of smaller images the deepest maps have a cell or two, and there bfloat16 gives numbers that vary
# from run to run, and now and then none (PyTorch 2.13 on a CPU with AMX).
LEAST_SIDE = 64


def trains_in_bfloat16(network: nn.Module, images: Tensor) -> bool:
    """Whether a network trains faster in bfloat16, and as well.

    Args:
        network: On a CPU one with depthwise kernels of 5x5 and more does not.
        images: `(N, 3, H, W)`, what it is given, on its device; of sides below 64 not on a CPU.
    """
    device = images.device.type
    if device == "cpu" and (min(images.shape[2:]) < LEAST_SIDE or _has_slow_layers(network)):
        return False
    return bfloat16_pays(device)


def _has_slow_layers(network: nn.Module) -> bool:
    return any(map(_is_slow, network.modules()))


def _is_slow(layer: nn.Module) -> bool:
    if not isinstance(layer, nn.Conv2d):
        return False
    return layer.groups == layer.in_channels > 1 and max(layer.kernel_size) >= SLOW_DEPTHWISE


@lru_cache(maxsize=4)
def bfloat16_pays(device: str) -> bool:
    """Whether dense convolutions are quicker in bfloat16 than in float32, by trying one.

    A CPU that lacks instructions for it (AVX512-BF16, AMX) computes bfloat16 all the same, at a
    fraction of float32's rate.

    Args:
        device: `"cpu"` or `"cuda"`, where it always pays.
    """
    if device != "cpu":
        return True
    generator = torch.Generator().manual_seed(0)
    kernels = torch.randn(96, 64, 3, 3, generator=generator)
    images = torch.randn(8, 64, 24, 18, generator=generator)
    kernels = kernels.contiguous(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)

    def seconds(half: bool) -> float:
        best = float("inf")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            for _ in range(5):
                started = time.perf_counter()
                F.conv2d(images, kernels, padding=1)
                best = min(best, time.perf_counter() - started)
        return best

    return seconds(half=True) < seconds(half=False)
