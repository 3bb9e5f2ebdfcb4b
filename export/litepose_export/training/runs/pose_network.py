"""The network of a pose run: one of the catalogue, or a user's own by its import path."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from litepose_edge.geometry import Size
from litepose_edge.manifest import Activation, HeatmapSpec, Manifest, TopDownSpec, Training
from litepose_edge.skeletons import Skeleton
from litepose_export.errors import ExportError
from litepose_export.models import manifests, networks, user_networks
from litepose_export.models.trained import TrainedAs
from litepose_export.models.user_manifests import heatmap_manifest
from litepose_export.training.core.target_options import TargetOptions

SIGMA_CELLS = 2.0  # of targets at a quarter of the input, as published
# Of DARK, in cells: wide enough for targets of that spread, and of one cell at coarser strides.
BLUR_KERNEL, COARSE_BLUR_KERNEL = 11, 5


@dataclass(frozen=True, slots=True)
class PoseNetwork:
    """What a pose run trains, and how its maps are read.

    Attributes:
        name: Of the catalogue, or an import path.
        module: Gives `(N, K, h, w)` maps of a crop; in training also parts, if it has them.
        manifest: As the exported file will carry it, but for thresholds.
        stride: Input pixels a cell.
        predictions: Name of the layer that gives the maps; empty where it is not known.
    """

    name: str
    module: nn.Module
    manifest: Manifest
    stride: int
    predictions: str

    @property
    def heatmaps(self) -> HeatmapSpec:
        """How maps become keypoints."""
        assert isinstance(self.manifest.model, TopDownSpec)
        assert self.manifest.model.heatmaps is not None
        return self.manifest.model.heatmaps

    @property
    def is_lrpose(self) -> bool:
        """Whether it is of our own family, for which schedules are ours."""
        return networks.is_lrpose(self.name)

    @property
    def is_catalogued(self) -> bool:
        """Whether `litepose-export list` has it."""
        return not user_networks.is_import_path(self.name)

    def target_options(self, teacher_share: float) -> TargetOptions:
        """How its targets are drawn: at its own stride, as its maps are decoded."""
        usual = TargetOptions(teacher_share=teacher_share)
        alignment = self.heatmaps.alignment
        if self.stride >= usual.stride:
            return replace(usual, stride=self.stride, alignment=alignment)
        return replace(usual, stride=self.stride, sigma_cells=SIGMA_CELLS, alignment=alignment)


def make_pose_network(
    name: str, skeleton: Skeleton, asked: Size | None, trained: TrainedAs
) -> PoseNetwork:
    """A new network that finds a skeleton's keypoints.

    Args:
        name: What the catalogue calls it, or `"my_package.nets:build"`.
        skeleton: What it shall find.
        asked: Its input; the network's own unless given.
        trained: What the run says of it; skeleton and size are filled in.

    Raises:
        ExportError: There is none, it takes no such input, or gives no map a keypoint.
    """
    if user_networks.is_import_path(name):
        return _own_network(name, skeleton, asked or networks.PORTRAIT, trained)
    entry = find_top_down(name)
    width, height = (asked.width, asked.height) if asked else (None, None)
    size = networks.input_size_of(entry, len(skeleton), width, height)
    module = entry.build(len(skeleton), size)
    stride = getattr(module, "stride", None)
    assert isinstance(stride, int)
    said = replace(trained, skeleton=skeleton, input_size=size)
    manifest = manifests.manifest(entry, len(skeleton), size, trained=said)
    return PoseNetwork(name, module, manifest, stride, entry.count_key.removesuffix(".weight"))


def find_top_down(name: str) -> networks.CatalogueEntry:
    """A network of one person's crop of the catalogue.

    Raises:
        ExportError: It is of another kind, or there is none of that name.
    """
    entry = networks.find(name)
    if entry.family in ("litepose", "persondet"):
        raise ExportError(f"{name} does not take one person's crop")
    return entry


@torch.no_grad()
def start_bias(module: nn.Module, predictions: str, heat: Activation) -> None:
    """Let the predictions start at the mean of their targets."""
    if not predictions:
        return
    bias = module.get_submodule(predictions).bias
    if isinstance(bias, Tensor):
        # As logits the mean target is about 0.01, as heat about 0.
        bias.fill_(0.0 if heat == "linear" else -4.5)


def _own_network(name: str, skeleton: Skeleton, size: Size, trained: TrainedAs) -> PoseNetwork:
    built = user_networks.build(name, len(skeleton), size)
    try:
        copy.deepcopy(built)  # training keeps an average of the weights beside them
    except (RuntimeError, TypeError) as exc:
        raise ExportError(
            f"cannot copy the network of '{name}': {exc}; remove parametrizations such as "
            "weight_norm and give every tensor a value first"
        ) from exc
    example = torch.zeros(1, 3, size.height, size.width)
    module = user_networks.with_named_outputs(built.eval(), (manifests.POSE_OUTPUT,), example)
    stride = _stride(name, module(example), len(skeleton), size)
    linear = trained.activation == "linear"
    manifest = heatmap_manifest(
        trained.name or type(built).__name__,
        input_size=size,
        skeleton=skeleton,
        alignment="centre",
        activation="linear" if linear else "sigmoid",
        refinement="dark" if linear else "expected-oks",
        blur_kernel=BLUR_KERNEL if stride < TargetOptions().stride else COARSE_BLUR_KERNEL,
        output=manifests.POSE_OUTPUT,
        training=trained.training or Training(),
    )
    return PoseNetwork(name, module, manifest, stride, _last_layer(module, len(skeleton)))


def _stride(name: str, maps: Any, keypoints: int, size: Size) -> int:
    """Input pixels a cell.

    Raises:
        ExportError: The outputs are no maps of a whole stride, one a keypoint.
    """
    shape = tuple(maps.shape)
    if len(shape) == 4 and shape[1] == keypoints and min(shape[2:]) > 0:
        stride: int = size.height // shape[2]
        if (shape[2] * stride, shape[3] * stride) == (size.height, size.width):
            return stride
    raise ExportError(
        f"'{name}' gives {shape} of an input of {size.width}x{size.height}: training needs "
        f"(N, {keypoints}, h, w), a map for each keypoint of the data whose sides divide the "
        "input's; let it take `keypoints` and `input_size`"
    )


def _last_layer(module: nn.Module, keypoints: int) -> str:
    """Name of the last layer with an output a keypoint; empty if there is none."""
    layers = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.out_channels == keypoints
    ]
    return layers[-1] if layers else ""
