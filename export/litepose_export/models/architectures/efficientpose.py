"""EfficientPose A / B / C: a searched trunk, a slim head and spatial information correction.

Zhang et al., Computational Visual Media 7(3), 2021, arXiv 2012.07086. Layers and names follow
hustvl/EfficientPose (`lib/models/pose_efficient.py`), so that its checkpoints load as they are.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from litepose_export.errors import CheckpointError
from litepose_export.models.architectures.layers import deconv_layers, rewrite_deconv_sequence

STEM_WIDTH = 32
STRIDES = (2, 2, 2, 1)
HEAD = (64, 32)


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted residual: depthwise kernel size and growth of the channels inside."""

    kernel: int
    expand: int


@dataclass(frozen=True, slots=True)
class Arch:
    """What distinguishes one EfficientPose from another.

    Attributes:
        stem: Channels after the stem.
        channels: Output channels of each stage.
        stages: Each stage's blocks; None is a layer that the search left out.
    """

    stem: int
    channels: tuple[int, ...]
    stages: tuple[tuple[Block | None, ...], ...]


def _stage(text: str) -> tuple[Block | None, ...]:
    """`"3/6,skip,7/3"`: kernel and expansion of each block."""
    blocks: list[Block | None] = []
    for item in text.split(","):
        kernel, _, expand = item.partition("/")
        blocks.append(None if item == "skip" else Block(int(kernel), int(expand)))
    return tuple(blocks)


PUBLISHED: dict[str, Arch] = {
    "efficientpose-a": Arch(
        16,
        (24, 32, 64, 96),
        (
            _stage("3/6,7/3,3/6,3/3"),
            _stage("3/6,3/3,5/3,3/3,3/3,3/3"),
            _stage("5/6,7/3,7/3,7/3,7/3,7/3,7/3,7/3"),
            _stage("5/6,5/6,7/6,5/6,7/3,7/3,7/3,7/6"),
        ),
    ),
    "efficientpose-b": Arch(
        24,
        (32, 64, 96, 160),
        (
            _stage("3/6,3/6,5/3,7/3,5/3,7/3"),
            _stage("5/6,5/3,7/3,7/3,7/3,7/3,7/3,7/3"),
            _stage("7/6,5/6,5/6,7/3,7/3,3/6,7/3,7/6,7/6,7/3"),
            _stage("7/3,7/3,7/3,7/3,7/3,7/3,skip,7/3,7/6,7/3"),
        ),
    ),
    "efficientpose-c": Arch(
        24,
        (32, 64, 96, 160),
        (
            _stage("5/3,3/6,3/3,3/3,skip,5/3"),
            _stage("3/6,7/6,5/6,3/6,5/6,3/6,3/6,3/6"),
            _stage("7/6,7/6,7/6,7/6,7/6,7/6,7/6,7/6,7/3,7/6"),
            _stage("7/6,7/6,7/3,7/3,7/6,7/6,7/6,7/6,7/6,7/6"),
        ),
    ),
}


class InvertedResidual(nn.Module):
    """1x1 (`pw`), depthwise `k x k` (`dw`), linear 1x1 (`pwl`); a residual where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, block: Block) -> None:
        super().__init__()
        # The reference rounds to multiples of 8; every published width already is one.
        middle = (inputs * block.expand + 4) // 8 * 8
        self.pw = _conv_bn(inputs, middle, 1)
        self.dw = _conv_bn(middle, middle, block.kernel, stride, groups=middle)
        self.pwl = _conv_bn(middle, outputs, 1, relu=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        y: Tensor = self.pwl(self.dw(self.pw(x)))
        return y + x if self.residual else y


class Blocks(nn.Module):
    """The trunk behind the stem, blocks in one running count; skipped ones leave a gap.

    Attributes:
        places: Of each block by name, which stage it is in and its place there, from 0.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__()
        self.stages = nn.Sequential()
        self.places: dict[str, tuple[int, int]] = {}
        inputs, number = arch.stem, 0
        layout = zip(arch.channels, arch.stages, STRIDES, strict=True)
        for stage, (outputs, blocks, first_stride) in enumerate(layout):
            for i, block in enumerate(blocks):
                if block is not None:
                    name = f"x{number}_ir_k{block.kernel}_e{block.expand}"
                    stride = first_stride if i == 0 else 1
                    self.stages.add_module(name, InvertedResidual(inputs, outputs, stride, block))
                    self.places[name] = stage, i
                    inputs = outputs
                number += 1

    def forward(self, x: Tensor) -> Tensor:
        """Stride 2 to stride 16."""
        features: Tensor = self.stages(x)
        return features


class EfficientPose(nn.Module):
    """`(N, 3, H, W)` normalised crop to `(N, K, H/4, W/4)` linear heatmaps."""

    stride = 4

    def __init__(self, arch: Arch, keypoints: int = 17) -> None:
        super().__init__()
        self.first = nn.Sequential(
            _conv_bn(3, STEM_WIDTH, 3, 2),
            _conv_bn(STEM_WIDTH, STEM_WIDTH, 3, groups=STEM_WIDTH),
            nn.Conv2d(STEM_WIDTH, arch.stem, 1, bias=False),
            nn.BatchNorm2d(arch.stem),
        )
        self.blocks = Blocks(arch)
        self.deconv_layers = deconv_layers(arch.channels[-1], HEAD)
        # Spatial information correction: a depthwise 3x3 before the prediction.
        self.final = nn.Sequential(
            nn.Conv2d(HEAD[-1], HEAD[-1], 3, 1, 1, groups=HEAD[-1], bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(HEAD[-1], keypoints, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Heatmaps."""
        maps: Tensor = self.final(self.deconv_layers(self.blocks(self.first(x))))
        return maps

    def rewrite_deconvolutions(self) -> None:
        """Replace the folded deconvolutions by 2x2 convolutions and interleaving."""
        self.deconv_layers = rewrite_deconv_sequence(self.deconv_layers)


def _conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, relu: bool = True
) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        bn=nn.BatchNorm2d(outputs),
    )
    if relu:
        layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


_BLOCK = re.compile(r"blocks\.stages\.x(\d+)_ir_k(\d+)_e(\d+)\.pwl\.conv\.weight")


def recover_arch(state: Mapping[str, Tensor]) -> tuple[Arch, int]:
    """The architecture and number of keypoints that a checkpoint's keys and shapes tell of.

    Stages begin where the output width changes; numbers that are missing are skips.

    Raises:
        CheckpointError: The tensors are not EfficientPose's.
    """
    blocks: dict[int, tuple[Block, int]] = {}
    for key, tensor in state.items():
        if match := _BLOCK.fullmatch(key):
            number, kernel, expand = (int(group) for group in match.groups())
            blocks[number] = (Block(kernel, expand), int(tensor.shape[0]))
    try:
        stem = int(state["first.2.weight"].shape[0])
        keypoints = int(state["final.2.weight"].shape[0])
    except (KeyError, IndexError, AttributeError) as exc:
        raise CheckpointError(f"not an EfficientPose checkpoint: {exc} is missing") from exc
    if not blocks:
        raise CheckpointError("not an EfficientPose checkpoint: it holds no blocks")
    channels: list[int] = []
    stages: list[list[Block | None]] = []
    for number in range(max(blocks) + 1):
        block, width = blocks.get(number, (None, channels[-1] if channels else stem))
        if not channels or width != channels[-1]:
            channels.append(width)
            stages.append([])
        stages[-1].append(block)
    if len(stages) != len(STRIDES):
        raise CheckpointError(
            f"not an EfficientPose checkpoint: {len(stages)} stages instead of {len(STRIDES)}"
        )
    return Arch(stem, tuple(channels), tuple(map(tuple, stages))), keypoints
