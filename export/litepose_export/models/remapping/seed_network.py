"""Reads a trained network of inverted residuals: its blocks by stage, whatever their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from litepose_export.errors import CheckpointError
from litepose_export.models.architectures import efficientpose, litepose

State = Mapping[str, Tensor]
# LitePose's blocks are EfficientPose's but for the activation and their names.
LITEPOSE_NAMES = (
    (re.compile(r"^first\.([01])\.0\."), r"first.\1.conv."),
    (re.compile(r"^first\.([01])\.1\."), r"first.\1.bn."),
)
LITEPOSE_PARTS = {"inv": "pw", "depth_conv": "dw", "point_conv": "pwl"}
PARTS = ("pw", "dw", "pwl")
STATISTICS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Seed:
    """Weights to start from, by EfficientPose's names.

    Attributes:
        stages: The blocks of each stage: `pw`, `dw` and `pwl`, each with `conv.weight`, `bn.*`.
        others: Stem and head.
    """

    stages: list[list[dict[str, Tensor]]]
    others: dict[str, Tensor]


def read_seed(state: State) -> Seed:
    """The blocks of an EfficientPose, a LitePose or a classifier, by stage.

    A classifier's are told by their shapes: MobileNetV2 and EfficientNet-Lite under the names of
    torchvision, timm and others. Its first block, which does not grow, is the stem's.

    Args:
        state: Its tensors, in the order of its layers, as `state_dict()` has them.

    Raises:
        CheckpointError: There are no inverted residuals without squeeze-and-excitation in it.
    """
    if "stage.0.0.inv.0.weight" in state:
        return _of_litepose(state)
    if any(key.startswith("blocks.stages.") for key in state):
        return _of_efficientpose(state)
    return _of_classifier(state)


def _of_efficientpose(state: State) -> Seed:
    arch, _ = efficientpose.recover_arch(state)
    stages, number = [], 0
    for blocks in arch.stages:
        found = []
        for block in blocks:
            if block is not None:
                name = f"x{number}_ir_k{block.kernel}_e{block.expand}"
                found.append(_part(state, f"blocks.stages.{name}."))
            number += 1
        stages.append(found)
    return Seed(stages, {k: v for k, v in state.items() if not k.startswith("blocks.")})


def _of_litepose(state: State) -> Seed:
    arch, _ = litepose.recover_arch(state)
    stages = [
        [_litepose_block(state, f"stage.{stage}.{index}.") for index in range(len(blocks))]
        for stage, blocks in enumerate(arch.blocks)
    ]
    others = {}
    for key, value in state.items():
        if key.startswith("first."):
            for pattern, name in LITEPOSE_NAMES:
                key = pattern.sub(name, key)
            others[key] = value
    return Seed(stages, others)


def _litepose_block(state: State, prefix: str) -> dict[str, Tensor]:
    found = {}
    for key, value in _part(state, prefix).items():
        part, kind, name = key.split(".")
        found[f"{LITEPOSE_PARTS[part]}.{('conv', 'bn')[int(kind)]}.{name}"] = value
    return found


def _part(state: State, prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


@dataclass(slots=True)
class _Layer:
    """A convolution and the normalisation behind it."""

    weight: Tensor
    statistics: dict[str, Tensor]

    @property
    def is_pointwise(self) -> bool:
        return self.weight.shape[2:] == (1, 1) and set(self.statistics) == set(STATISTICS)

    @property
    def is_depthwise(self) -> bool:
        _, inputs, height, width = self.weight.shape
        square = inputs == 1 and height == width and height % 2 == 1 and height > 1
        return square and set(self.statistics) == set(STATISTICS)


def _of_classifier(state: State) -> Seed:
    layers = _layers(state)
    stages: list[list[dict[str, Tensor]]] = []
    width, stem = None, layers
    for index, (pw, dw, pwl) in enumerate(zip(layers, layers[1:], layers[2:], strict=False)):
        if not (pw.is_pointwise and dw.is_depthwise and pwl.is_pointwise):
            continue
        inside = len(dw.weight)
        if len(pw.weight) != inside or pwl.weight.shape[1] != inside:
            continue
        # A block that narrows or does not grow is a stem's or a separable convolution.
        if pw.weight.shape[1] >= inside:
            continue
        if not stages:
            stem = layers[:index]
        if len(pwl.weight) != width:
            stages.append([])
            width = len(pwl.weight)
        stages[-1].append(_block((pw, dw, pwl)))
    if not stages:
        raise CheckpointError(
            "the weights to start from hold no inverted residuals without "
            "squeeze-and-excitation: give a checkpoint of EfficientPose, LitePose, MobileNetV2 or "
            "EfficientNet-Lite, with its tensors in the order of its layers, or none"
        )
    return Seed(stages, _stem(stem))


def _layers(state: State) -> list[_Layer]:
    """Convolutions in order, each with the normalisation that follows it."""
    layers: list[_Layer] = []
    for key, tensor in state.items():
        if tensor.ndim == 4:
            layers.append(_Layer(tensor, {}))
        name = key.rpartition(".")[2]
        if layers and name in STATISTICS and tensor.shape == layers[-1].weight.shape[:1]:
            layers[-1].statistics[name] = tensor
    return layers


def _block(layers: tuple[_Layer, ...]) -> dict[str, Tensor]:
    found = {}
    for part, layer in zip(PARTS, layers, strict=True):
        found[f"{part}.conv.weight"] = layer.weight
        found |= {f"{part}.bn.{name}": tensor for name, tensor in layer.statistics.items()}
    return found


def _stem(layers: list[_Layer]) -> dict[str, Tensor]:
    """What is before the first block: a convolution, a depthwise and a pointwise one."""
    names = (("first.0.conv.", "first.0.bn."), ("first.1.conv.", "first.1.bn."))
    found = {}
    for (conv, bn), layer in zip((*names, ("first.2.", "first.3.")), layers, strict=False):
        found[conv + "weight"] = layer.weight
        found |= {bn + name: tensor for name, tensor in layer.statistics.items()}
    return found
