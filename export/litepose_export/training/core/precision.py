"""Whether a device trains faster in bfloat16 than in float32."""

from __future__ import annotations

import time
from functools import lru_cache

import torch
from torch.nn import functional as F  # noqa: N812 - the name torch users expect


@lru_cache(maxsize=4)
def bfloat16_pays(device: str) -> bool:
    """Whether convolutions are quicker in bfloat16 than in float32, by trying one.

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
