"""LitePose's space: widths as published; depth, kernels and input size where they are opened.

Wang et al., CVPR 2022, arXiv 2205.01271, `arch_manager.py`: of each width 1, .75, .5 and .25 of the
largest; all blocks have 7x7 kernels and grow by 6. The published code draws, and so trains, only
the first 4, 6, 8 and 8 blocks of stages of 6, 8, 10 and 10; here all of them learn.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from litepose_edge.geometry import Size
from litepose_export.models.architecture_files import litepose_document
from litepose_export.models.architectures.layers import (
    InterleavedDeconv,
    SeparableHead,
    summed_deconv,
)
from litepose_export.models.architectures.litepose import (
    STEM_WIDTH,
    STRIDES,
    Arch,
    Block,
    InvertedBottleneck,
    LitePose,
)
from litepose_export.models.folding import fold_behind_sum
from litepose_export.search.space import Choice, Genes, Operator, Space, by_size, distinct

STEM, CHANNELS, DECONVS, BLOCKS = 24, (32, 64, 96, 160), (64, 48, 32), (6, 8, 10, 10)
WIDTHS = (0.25, 0.5, 0.75, 1.0)
KERNELS = (3, 5, 7)
EXPAND, KERNEL = 6, 7
FEWEST_OF_DEPTH = 0.5


class LitePoseSpace(Space):
    """LitePose's space.

    Args:
        keypoints: How many the networks find.
        input_sizes: Which are open, in any order; one alone is no choice. Sides are
            multiples of 16.
        depth: Open the numbers of blocks, from half of them on.
        kernels: Open the kernels of each stage.
        blocks: Most blocks of each stage; fewer for trials.
    """

    name = "litepose"

    def __init__(
        self,
        keypoints: int = 17,
        input_sizes: Sequence[Size] = (Size(256, 256),),
        *,
        depth: bool = False,
        kernels: bool = False,
        blocks: tuple[int, int, int, int] = BLOCKS,
    ) -> None:
        self.keypoints = keypoints
        self._sizes = by_size(input_sizes)
        choices = [Choice("input_size", tuple(self._sizes))]
        choices.append(Choice("stem.width", widths_of(STEM)))
        for i, channels in enumerate(CHANNELS):
            choices.append(Choice(f"stage_{i}.width", widths_of(channels)))
            fewest = max(1, int(FEWEST_OF_DEPTH * blocks[i])) if depth else blocks[i]
            choices.append(Choice(f"stage_{i}.blocks", tuple(range(fewest, blocks[i] + 1))))
            choices.append(Choice(f"stage_{i}.kernel", KERNELS if kernels else (KERNEL,)))
        for i, channels in enumerate(DECONVS):
            choices.append(Choice(f"deconv_{i}.width", widths_of(channels)))
        self.choices = tuple(choices)

    def arch(self, genes: Genes) -> Arch:
        """The architecture of genes."""
        v: dict[str, Any] = self.decode(genes)
        c0, c1, c2, c3 = (v[f"stage_{i}.width"] for i in range(4))
        d0, d1, d2 = (v[f"deconv_{i}.width"] for i in range(3))
        blocks = tuple(
            (Block(EXPAND, v[f"stage_{i}.kernel"]),) * v[f"stage_{i}.blocks"] for i in range(4)
        )
        return Arch(v["stem.width"], (c0, c1, c2, c3), (d0, d1, d2), blocks)

    def build(self, genes: Genes) -> nn.Module:
        """A new LitePose."""
        return LitePose(self.arch(genes), self.keypoints)

    def input_size(self, genes: Genes) -> Size:
        """What it takes."""
        return self._sizes[str(self.decode(genes)["input_size"])]

    def architecture(self, genes: Genes) -> dict[str, Any]:
        """The document as LitePose publishes them."""
        return litepose_document(self.arch(genes), self.input_size(genes))

    def operators(self, genes: Genes) -> tuple[Operator, ...]:
        """Stem, blocks, the head's steps, predictions."""
        return tuple(_operators(self.arch(genes), self.input_size(genes), self.keypoints))

    def all_operators(self) -> tuple[Operator, ...]:
        """Those of networks that differ in all choices which meet in an operator."""
        free = {choice.name: choice.options for choice in self.choices}
        base = self.decode(self.largest)
        meetings = [
            ("stem.width", "stage_0.width", "stage_0.kernel"),
            *(
                (f"stage_{i - 1}.width", f"stage_{i}.width", f"stage_{i}.kernel")
                for i in range(1, 4)
            ),
            ("stage_3.width", "stage_2.width", "deconv_0.width"),
            ("deconv_0.width", "stage_1.width", "deconv_1.width"),
            ("deconv_1.width", "stage_0.width", "deconv_2.width"),
            ("deconv_2.width", "stem.width"),
        ]
        found: list[Operator] = []
        for size in free["input_size"]:
            for names in meetings:
                for values in itertools.product(*(free[name] for name in names)):
                    chosen = {**base, "input_size": size, **dict(zip(names, values, strict=True))}
                    found += self.operators(self.encode(chosen))
        return distinct(found)


def widths_of(channels: int) -> tuple[int, ...]:
    """Parts of a width as LitePose rounds them, from the smallest on."""
    return tuple(sorted({div8(channels * part) for part in WIDTHS}))


def div8(value: float) -> int:
    """The nearest multiple of 8, at least 8, and never less than .9 of the value."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def _operators(arch: Arch, size: Size, keypoints: int) -> Iterator[Operator]:
    def place(channels: int, stride: int) -> tuple[int, int, int]:
        return channels, size.height // stride, size.width // stride

    yield Operator(
        f"conv 3x3 3-{STEM_WIDTH} /2",
        (place(3, 1),),
        lambda: nn.Sequential(
            nn.Conv2d(3, STEM_WIDTH, 3, 2, 1, bias=False),
            nn.BatchNorm2d(STEM_WIDTH),
            nn.ReLU6(inplace=True),
        ),
        is_first=True,
    )
    yield Operator(
        f"separable 3x3 {STEM_WIDTH}-{arch.stem}",
        (place(STEM_WIDTH, 2),),
        lambda: nn.Sequential(
            nn.Conv2d(STEM_WIDTH, STEM_WIDTH, 3, 1, 1, groups=STEM_WIDTH, bias=False),
            nn.BatchNorm2d(STEM_WIDTH),
            nn.ReLU6(inplace=True),
            nn.Conv2d(STEM_WIDTH, arch.stem, 1, bias=False),
            nn.BatchNorm2d(arch.stem),
        ),
    )
    inputs, stride = arch.stem, 2
    for outputs, blocks, first in zip(arch.channels, arch.blocks, STRIDES, strict=True):
        for i, block in enumerate(blocks):
            step = first if i == 0 else 1
            yield _bottleneck(inputs, outputs, step, block, place(inputs, stride))
            inputs, stride = outputs, stride * step
    c1, c2, c3, c4 = arch.channels
    d0, d1, d2 = arch.deconvs
    yield _up(c4, c3, d0, place(c4, 16), place(c3, 16))
    yield _up(d0, c2, d1, place(d0, 8), place(c2, 8))
    yield _maps(d1, c1, 2 * keypoints, place(d1, 4), place(c1, 4))
    yield _up(d1, c1, d2, place(d1, 4), place(c1, 4))
    yield _maps(d2, arch.stem, keypoints, place(d2, 2), place(arch.stem, 2))


Place = tuple[int, int, int]


def _bottleneck(inputs: int, outputs: int, stride: int, block: Block, place: Place) -> Operator:
    return Operator(
        f"ib k{block.kernel} e{block.expand} {inputs}-{outputs} /{stride}",
        (place,),
        lambda: InvertedBottleneck(inputs, outputs, stride, block),
    )


def _up(refined: int, raw: int, outputs: int, at: Place, also: Place) -> Operator:
    return Operator(f"up {refined}+{raw}-{outputs}", (at, also), lambda: _Up(refined, raw, outputs))


def _maps(refined: int, raw: int, outputs: int, at: Place, also: Place) -> Operator:
    return Operator(
        f"maps {refined}+{raw}-{outputs}",
        (at, also),
        lambda: _Maps(refined, raw, outputs),
        is_last=True,
    )


class _Up(nn.Module):
    """One step of the head, as in `architectures.litepose.FusionHead`."""

    def __init__(self, refined: int, raw: int, outputs: int) -> None:
        super().__init__()
        self.refined = nn.ConvTranspose2d(refined, outputs, 4, 2, 1, bias=False)
        self.raw = nn.ConvTranspose2d(raw, outputs, 4, 2, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self._fused: InterleavedDeconv | None = None

    def forward(self, refined: Tensor, raw: Tensor) -> Tensor:
        """Both enlarged, summed and normalised."""
        if self._fused is not None:
            fused: Tensor = self._fused(torch.cat([refined, raw], dim=1))
            return fused
        return torch.relu(self.norm(self.refined(refined) + self.raw(raw)))

    def fold_normalisations(self) -> None:
        """Fold the one behind the sum."""
        assert isinstance(self.norm, nn.BatchNorm2d)
        fold_behind_sum((self.refined, self.raw), self.norm)
        self.norm = nn.Identity()

    def rewrite_deconvolutions(self) -> None:
        """As one 2x2 convolution over both inputs."""
        self._fused = summed_deconv((self.refined, self.raw))
        del self.refined, self.raw, self.norm


class _Maps(nn.Module):
    """Two heads and their sum, as in `architectures.litepose.FusionHead`."""

    def __init__(self, refined: int, raw: int, outputs: int) -> None:
        super().__init__()
        self.refined, self.raw = SeparableHead(refined, outputs), SeparableHead(raw, outputs)

    def forward(self, refined: Tensor, raw: Tensor) -> Tensor:
        """Maps."""
        maps: Tensor = self.refined(refined) + self.raw(raw)
        return maps
