"""Architectures as JSON: LitePose's as it is published, those of searches beside them.

A file names a network wherever a name of the catalogue does: `litepose-export train
found/network.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from litepose_edge.atomic_files import read_file
from litepose_edge.geometry import Size
from litepose_export.errors import ExportError
from litepose_export.models.architectures import efficientpose, litepose, lrpose
from litepose_export.models.architectures.efficientpose import EfficientPose
from litepose_export.models.architectures.litepose import STRIDES, LitePose
from litepose_export.models.architectures.lrpose import LRPose

SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a file says.

    Attributes:
        family: `"litepose"`, `"efficientpose"` or `"lrpose"`.
        input_size: Which the network takes.
        build: Makes it, untrained, for a number of keypoints.
    """

    family: str
    input_size: Size
    build: Callable[[int], nn.Module]


def is_architecture_file(name: str) -> bool:
    """Whether a network is named by a file."""
    return name.endswith(SUFFIX)


def read_architecture(path: Path) -> Architecture:
    """An architecture from its file.

    Raises:
        ExportError: It cannot be read, or describes no network that is known here.
    """
    try:
        content = json.loads(read_file(path))
    except (OSError, ValueError) as exc:
        raise ExportError(f"cannot read the architecture {path}: {exc}") from exc
    try:
        return architecture_of(content)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ExportError(
            f"{path} is no architecture: {exc}; expected LitePose's published fields (img_size, "
            "input_channel, deconv_setting, backbone_setting), or a family of litepose, "
            "efficientpose or lrpose with its fields as `litepose-export search` writes them"
        ) from exc


def architecture_of(content: Mapping[str, Any]) -> Architecture:
    """An architecture from its document.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    if "backbone_setting" in content:
        arch, size = litepose_arch(content)
        return Architecture("litepose", size, lambda keypoints: LitePose(arch, keypoints))
    family = content["family"]
    size = msgspec.convert(content["input_size"], Size)
    fields = {name: content[name] for name in content if name not in ("family", "input_size")}
    match family:
        case "lrpose":
            found = msgspec.convert(fields, lrpose.Arch)
            return Architecture(family, size, lambda keypoints: LRPose(found, keypoints))
        case "efficientpose":
            searched = msgspec.convert(fields, efficientpose.Arch)
            return Architecture(family, size, lambda keypoints: EfficientPose(searched, keypoints))
    raise ValueError(f"no family '{family}'")


def litepose_arch(content: Mapping[str, Any]) -> tuple[litepose.Arch, Size]:
    """LitePose's published document; `img_size` may also be `[width, height]`.

    Raises:
        KeyError, TypeError, ValueError: It is none, or has other strides than the published ones.
    """
    stages = content["backbone_setting"]
    strides = tuple(stage["stride"] for stage in stages)
    if strides != STRIDES:
        raise ValueError(f"stages have strides {STRIDES}, got {strides}")
    blocks = []
    for stage in stages:
        settings = [litepose.Block(expand, kernel) for expand, kernel in stage["block_setting"]]
        if len(settings) != stage["num_blocks"]:
            raise ValueError(f"{stage['num_blocks']} blocks, but {len(settings)} settings")
        blocks.append(tuple(settings))
    c1, c2, c3, c4 = (stage["channel"] for stage in stages)
    d0, d1, d2 = content["deconv_setting"]
    side = content["img_size"]
    size = Size(*side) if isinstance(side, list | tuple) else Size(side, side)
    arch = litepose.Arch(content["input_channel"], (c1, c2, c3, c4), (d0, d1, d2), tuple(blocks))
    return arch, size


def litepose_document(arch: litepose.Arch, size: Size) -> dict[str, Any]:
    """An architecture as LitePose publishes it."""
    square = size.width == size.height
    return {
        "img_size": size.width if square else [size.width, size.height],
        "input_channel": arch.stem,
        "deconv_setting": list(arch.deconvs),
        "backbone_setting": [
            {
                "num_blocks": len(blocks),
                "stride": stride,
                "channel": channels,
                "block_setting": [[block.expand, block.kernel] for block in blocks],
            }
            for channels, blocks, stride in zip(arch.channels, arch.blocks, STRIDES, strict=True)
        ],
    }
