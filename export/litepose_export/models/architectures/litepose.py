"""LitePose: single-branch bottom-up pose with a fusion deconvolution head and 7x7 kernels.

Wang et al., CVPR 2022, arXiv 2205.01271. Layers, names and published sizes follow
mit-han-lab/litepose (`lib/models/pose_mobilenet.py`, `mobile_configs/*.json`), so that its
checkpoints load as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from litepose_export.errors import CheckpointError
from litepose_export.models.architectures.layers import (
    InterleavedDeconv,
    SeparableHead,
    summed_deconv,
)
from litepose_export.models.folding import fold_behind_sum

STRIDES = (2, 2, 2, 1)
STEM_WIDTH = 32


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted bottleneck: growth of the channels inside, and depthwise kernel size."""

    expand: int = 6
    kernel: int = 7


@dataclass(frozen=True, slots=True)
class Arch:
    """What distinguishes one LitePose from another.

    Attributes:
        stem: Channels after the stem.
        channels: Output channels of the four stages.
        deconvs: Channels of the three upsampling steps.
        blocks: The blocks of each stage.
    """

    stem: int
    channels: tuple[int, int, int, int]
    deconvs: tuple[int, int, int]
    blocks: tuple[tuple[Block, ...], ...] = tuple((Block(),) * n for n in (6, 8, 10, 10))


# The input side is the square that accuracy and cost were published for.
PUBLISHED: dict[str, tuple[int, Arch]] = {
    "litepose-xs": (256, Arch(16, (16, 32, 48, 80), (16, 24, 24))),
    "litepose-s": (448, Arch(16, (16, 32, 48, 120), (32, 24, 32))),
    "litepose-m": (448, Arch(16, (24, 48, 72, 120), (64, 40, 32))),
    "litepose-l": (512, Arch(24, (24, 64, 96, 160), (64, 40, 32))),
    "litepose-prune-s": (512, Arch(16, (16, 32, 48, 80), (32, 24, 16))),
    "litepose-prune-m": (512, Arch(24, (24, 48, 72, 120), (48, 40, 24))),
    "litepose-prune-l": (512, Arch(24, (32, 64, 96, 160), (64, 48, 32))),
}
# Ours: XS with smaller kernels, which cost integer arithmetic less.
XS_K5 = replace(
    PUBLISHED["litepose-xs"][1], blocks=tuple((Block(kernel=5),) * n for n in (6, 8, 10, 10))
)
ARCHS: dict[str, tuple[int, Arch]] = {**PUBLISHED, "litepose-xs-k5": (256, XS_K5)}


class InvertedBottleneck(nn.Module):
    """1x1 expansion, depthwise `k x k`, linear 1x1 projection; a residual where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, block: Block) -> None:
        super().__init__()
        middle = inputs * block.expand
        self.inv = nn.Sequential(
            nn.Conv2d(inputs, middle, 1, bias=False), nn.BatchNorm2d(middle), nn.ReLU6(inplace=True)
        )
        self.depth_conv = nn.Sequential(
            nn.Conv2d(
                middle, middle, block.kernel, stride, block.kernel // 2, groups=middle, bias=False
            ),
            nn.BatchNorm2d(middle),
            nn.ReLU6(inplace=True),
        )
        self.point_conv = nn.Sequential(
            nn.Conv2d(middle, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        y: Tensor = self.point_conv(self.depth_conv(self.inv(x)))
        return x + y if self.residual else y


class FusionHead(nn.Module, ABC):
    """A network that ends in LitePose's fusion deconvolution head.

    Three times, what was refined so far is enlarged together with the trunk's features of the
    same resolution. The layers keep the published names, which have no prefix: hence a base
    class and not a part.
    """

    def add_head(
        self,
        widths: tuple[int, int, int, int, int],
        deconvs: tuple[int, int, int],
        keypoints: int,
    ) -> None:
        """Make the head's layers.

        Args:
            widths: Channels of the trunk's features at strides 2, 4, 8, 16 and 16 again.
            deconvs: Channels of the three upsampling steps.
            keypoints: K.
        """
        c0, c1, c2, c3, c4 = widths
        d0, d1, d2 = deconvs
        self.deconv_refined = nn.ModuleList([_deconv(c4, d0), _deconv(d0, d1), _deconv(d1, d2)])
        self.deconv_raw = nn.ModuleList([_deconv(c3, d0), _deconv(c2, d1), _deconv(c1, d2)])
        # One normalisation after the sum of the two deconvolutions.
        self.deconv_bnrelu = nn.ModuleList(
            [nn.Sequential(nn.BatchNorm2d(d), nn.ReLU(inplace=True)) for d in deconvs]
        )
        self.final_refined = nn.ModuleList(
            [SeparableHead(d1, 2 * keypoints), SeparableHead(d2, keypoints)]
        )
        self.final_raw = nn.ModuleList(
            [SeparableHead(c1, 2 * keypoints), SeparableHead(c0, keypoints)]
        )
        self._fused: list[InterleavedDeconv] | None = None

    @abstractmethod
    def features(self, x: Tensor) -> list[Tensor]:
        """The trunk's features at strides 2, 4, 8, 16 and 16 again."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, 2K, H/4, W/4)`: K heatmaps, then K tag maps; `(N, K, H/2, W/2)`: K heatmaps."""
        return self.maps(self.features(x))

    def maps(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Features at strides 2, 4, 8, 16 and 16 again to maps at strides 4 and 2."""
        at_2, at_4, at_8, raw, refined = features
        refined = self._up(0, refined, raw)
        refined = self._up(1, refined, at_8)
        coarse = self.final_refined[0](refined) + self.final_raw[0](at_4)
        refined = self._up(2, refined, at_4)
        fine = self.final_refined[1](refined) + self.final_raw[1](at_2)
        return coarse, fine

    def _up(self, step: int, refined: Tensor, raw: Tensor) -> Tensor:
        if self._fused is not None:
            fused: Tensor = self._fused[step](torch.cat([refined, raw], dim=1))
            return fused
        summed = self.deconv_refined[step](refined) + self.deconv_raw[step](raw)
        activated: Tensor = self.deconv_bnrelu[step](summed)
        return activated

    def fold_normalisations(self) -> None:
        """Fold the normalisations behind the sums."""
        for pair, bnrelu in zip(self._pairs(), self.deconv_bnrelu, strict=True):
            sequence = cast(nn.Sequential, bnrelu)
            fold_behind_sum(pair, cast(nn.BatchNorm2d, sequence[0]))
            sequence[0] = nn.Identity()

    def rewrite_deconvolutions(self) -> None:
        """Turn each folded pair of deconvolutions into one 2x2 convolution over both inputs."""
        fused = [summed_deconv(pair) for pair in self._pairs()]
        self._fused = cast("list[InterleavedDeconv]", nn.ModuleList(fused))
        for spent in (self.deconv_refined, self.deconv_raw, self.deconv_bnrelu):
            while len(spent):
                del spent[-1]

    def _pairs(self) -> list[tuple[nn.ConvTranspose2d, nn.ConvTranspose2d]]:
        pairs = zip(self.deconv_refined, self.deconv_raw, strict=True)
        return cast("list[tuple[nn.ConvTranspose2d, nn.ConvTranspose2d]]", list(pairs))


class LitePose(FusionHead):
    """`(N, 3, H, W)` normalised RGB to heatmaps and associative-embedding tags, all linear.

    H and W must be multiples of 16.

    Returns of `forward`:
        `(N, 2K, H/4, W/4)`: K heatmaps, then K tag maps; and `(N, K, H/2, W/2)`: K heatmaps.
    """

    def __init__(self, arch: Arch, keypoints: int = 17) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(3, STEM_WIDTH, 3, 2, 1, bias=False),
                nn.BatchNorm2d(STEM_WIDTH),
                nn.ReLU6(inplace=True),
            ),
            nn.Sequential(
                nn.Conv2d(STEM_WIDTH, STEM_WIDTH, 3, 1, 1, groups=STEM_WIDTH, bias=False),
                nn.BatchNorm2d(STEM_WIDTH),
                nn.ReLU6(inplace=True),
            ),
            nn.Conv2d(STEM_WIDTH, arch.stem, 1, bias=False),
            nn.BatchNorm2d(arch.stem),
        )
        stages: list[nn.Module] = []
        inputs = arch.stem
        for outputs, blocks, stride in zip(arch.channels, arch.blocks, STRIDES, strict=True):
            widths = [inputs] + [outputs] * (len(blocks) - 1)
            stages.append(
                nn.Sequential(
                    *[
                        InvertedBottleneck(width, outputs, stride if i == 0 else 1, block)
                        for i, (width, block) in enumerate(zip(widths, blocks, strict=True))
                    ]
                )
            )
            inputs = outputs
        self.stage = nn.ModuleList(stages)
        self.add_head((arch.stem, *arch.channels), arch.deconvs, keypoints)

    def features(self, x: Tensor) -> list[Tensor]:
        """What the head takes: features at strides 2, 4, 8, 16 and 16 again."""
        features = [self.first(x)]
        for stage in self.stage:
            features.append(stage(features[-1]))
        return features


def _deconv(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)


def recover_arch(state: Mapping[str, Tensor]) -> tuple[Arch, int]:
    """The architecture and number of keypoints that a checkpoint's tensor shapes tell of.

    Raises:
        CheckpointError: The tensors are not LitePose's.
    """
    try:
        stem = state["first.2.weight"].shape[0]
        channels, blocks = [], []
        for s in range(len(STRIDES)):
            found: list[Block] = []
            while (key := f"stage.{s}.{len(found)}.inv.0.weight") in state:
                prefix = f"stage.{s}.{len(found)}"
                kernel = state[f"{prefix}.depth_conv.0.weight"].shape[2]
                expand, rest = divmod(state[key].shape[0], state[key].shape[1])
                if rest:
                    raise CheckpointError(f"{key} is no whole multiple of its input channels")
                found.append(Block(expand, kernel))
            channels.append(state[f"stage.{s}.0.point_conv.0.weight"].shape[0])
            blocks.append(tuple(found))
        deconvs = [state[f"deconv_refined.{i}.weight"].shape[1] for i in range(3)]
        keypoints = state["final_refined.1.conv.3.weight"].shape[0]
    except (KeyError, IndexError, AttributeError) as exc:
        raise CheckpointError(f"not a LitePose checkpoint: {exc} is missing or misshapen") from exc
    c1, c2, c3, c4 = channels
    d0, d1, d2 = deconvs
    return Arch(stem, (c1, c2, c3, c4), (d0, d1, d2), tuple(blocks)), keypoints
