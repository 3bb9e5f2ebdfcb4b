"""LRPose's space: channels, growth inside blocks, depths, the stride-32 stage, the input size.

The default family lies in it (`genes_of`), so that a search may find that it is best.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_edge.geometry import Size
from litepose_export.models.architectures.layers import ConvBN, FusedBlock
from litepose_export.models.architectures.lrpose import Arch, LRPose, TrunkWidths
from litepose_export.search.space import Choice, Genes, Operator, Space, by_size, distinct

# Multiples of 32 in both directions: every one of them can have a stage at stride 32.
INPUT_SIZES = (Size(96, 128), Size(128, 160), Size(192, 256), Size(256, 320))
STRIDES = (4, 8, 16)


class LRPoseSpace(Space):
    """LRPose's space.

    Args:
        keypoints: How many the networks find.
        input_sizes: Which are open, in any order; one alone is no choice.
    """

    name = "lrpose"

    def __init__(self, keypoints: int = 17, input_sizes: Sequence[Size] = INPUT_SIZES) -> None:
        self.keypoints = keypoints
        self._sizes = by_size(input_sizes)
        self.choices = (
            Choice("input_size", tuple(self._sizes)),
            Choice("stem", (8, 16, 24)),
            Choice("stride_4.width", (24, 32, 48)),
            Choice("stride_4.growth", (0.5, 1.0, 1.5)),
            Choice("stride_4.blocks", (1, 2)),
            Choice("stride_8.width", (48, 64, 96)),
            Choice("stride_8.growth", (0.5, 1.0, 1.5)),
            Choice("stride_8.blocks", (1, 2, 3)),
            Choice("stride_16.width", (96, 128, 192)),
            Choice("stride_16.growth", (0.5, 1.0, 1.5)),
            Choice("stride_16.blocks", (2, 3, 4, 5, 6)),
            Choice("stride_32.blocks", (0, 2, 3, 5)),
            Choice("stride_32.middle", (64, 128, 192)),
        )
        self._without_context = [choice.name for choice in self.choices].index("stride_32.middle")

    def canonical(self, genes: Genes) -> Genes:
        """Channels inside blocks that are not there are the fewest."""
        if self.decode(genes)["stride_32.blocks"] != 0:
            return genes
        place = self._without_context
        return (*genes[:place], 0, *genes[place + 1 :])

    def arch(self, genes: Genes) -> Arch:
        """The architecture of genes."""
        values: dict[str, Any] = self.decode(genes)
        widths = {f"stride_{s}": values[f"stride_{s}.width"] for s in STRIDES}
        middles = {
            f"middle_{s}": _middle(values[f"stride_{s}.width"], values[f"stride_{s}.growth"])
            for s in STRIDES
        }
        blocks = {f"blocks_{s}": values[f"stride_{s}.blocks"] for s in STRIDES}
        trunk = TrunkWidths(stem=values["stem"], **widths, **middles, **blocks)
        context = values["stride_32.blocks"]
        return Arch(trunk, context, values["stride_32.middle"] if context else 0)

    def build(self, genes: Genes) -> nn.Module:
        """A new LRPose."""
        return LRPose(self.arch(genes), self.keypoints)

    def input_size(self, genes: Genes) -> Size:
        """What it takes."""
        return self._sizes[str(self.decode(genes)["input_size"])]

    def architecture(self, genes: Genes) -> dict[str, Any]:
        """The document that `models.architecture_files` reads."""
        return {
            "family": self.name,
            "input_size": asdict(self.input_size(genes)),
            **asdict(self.arch(genes)),
        }

    def operators(self, genes: Genes) -> tuple[Operator, ...]:
        """Stem, blocks, what joins strides, predictions."""
        return tuple(_operators(self.arch(genes), self.input_size(genes), self.keypoints))

    def all_operators(self) -> tuple[Operator, ...]:
        """Those of networks that differ in all pairs of choices which meet in an operator."""
        found: list[Operator] = []
        free = {choice.name: choice.options for choice in self.choices}
        base = self.decode(self.largest)
        # Widths of neighbouring stages meet where a stage begins; depths only repeat blocks.
        meetings = (
            ("stem", "stride_4.width", "stride_4.growth"),
            ("stride_4.width", "stride_8.width", "stride_8.growth"),
            ("stride_8.width", "stride_16.width", "stride_16.growth"),
            ("stride_16.width", "stride_32.middle"),
        )
        for size in free["input_size"]:
            for names in meetings:
                for values in itertools.product(*(free[name] for name in names)):
                    chosen = {**base, "input_size": size, **dict(zip(names, values, strict=True))}
                    found += self.operators(self.encode(chosen))
        return distinct(found)


def _middle(width: int, growth: float) -> int:
    """Channels inside a block: whole groups of 8, which INT8 kernels take."""
    return max(8, round(width * growth / 8) * 8)


def _operators(arch: Arch, size: Size, keypoints: int) -> Iterator[Operator]:
    w, h, width = arch.trunk, size.height, size.width
    yield Operator(
        f"conv 3x3 3-{w.stem} /2", ((3, h, width),), lambda: ConvBN(3, w.stem, 3, 2), is_first=True
    )
    stages = (
        (2, w.stem, w.stem * 4, w.stride_4, w.middle_4, w.blocks_4),
        (4, w.stride_4, w.middle_8, w.stride_8, w.middle_8, w.blocks_8),
        (8, w.stride_8, w.middle_16, w.stride_16, w.middle_16, w.blocks_16),
    )
    for stride, inputs, first, outputs, middle, blocks in stages:
        place = (h // stride, width // stride)
        yield fused(inputs, first, outputs, place, 2)
        for _ in range(blocks):
            yield fused(outputs, middle, outputs, (place[0] // 2, place[1] // 2))
    at_8, at_16, at_32 = ((h // s, width // s) for s in (8, 16, 32))
    if arch.context_blocks:
        c, middle = w.stride_16, arch.context_middle
        yield fused(c, middle, c, at_16, 2)
        for _ in range(arch.context_blocks - 1):
            yield fused(c, middle, c, at_32)
        yield Operator(f"context {c}", ((c, *at_32), (c, *at_16)), lambda: _Back(c), is_first=False)
    yield Operator(
        f"join {w.stride_16} {w.stride_8}",
        ((w.stride_16, *at_16), (w.stride_8, *at_8)),
        lambda: _Join(w.stride_16, w.stride_8),
    )
    yield fused(w.stride_8, w.middle_8, w.stride_8, at_8)
    yield Operator(
        f"conv 1x1 {w.stride_8}-{keypoints}",
        ((w.stride_8, *at_8),),
        lambda: nn.Conv2d(w.stride_8, keypoints, 1),
        is_last=True,
    )


def fused(
    inputs: int, middle: int, outputs: int, place: tuple[int, int], stride: int = 1
) -> Operator:
    """A dense block at `(H, W)`."""
    return Operator(
        f"fused {inputs}-{middle}-{outputs} /{stride}",
        ((inputs, *place),),
        lambda: FusedBlock(inputs, middle, outputs, stride),
    )


class _Back(nn.Module):
    """What brings stride 32 back to 16, as in `architectures.lrpose.Context`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.back = ConvBN(channels, channels, 1, relu=False)

    def forward(self, seen: Tensor, x: Tensor) -> Tensor:
        """`(N, C, H, W)` and `(N, C, 2H, 2W)` to the latter."""
        return torch.relu(x + F.interpolate(self.back(seen), scale_factor=2.0, mode="nearest"))


class _Join(nn.Module):
    """What joins strides 16 and 8, as in `architectures.lrpose.LRPose`."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.reduce = ConvBN(coarse, fine, 1, relu=False)
        self.skip = ConvBN(fine, fine, 1, relu=False)

    def forward(self, at_16: Tensor, at_8: Tensor) -> Tensor:
        """`(N, C, H, W)` and `(N, c, 2H, 2W)` to the latter."""
        up = F.interpolate(self.reduce(at_16), scale_factor=2.0, mode="nearest")
        return torch.relu(up + self.skip(at_8))
