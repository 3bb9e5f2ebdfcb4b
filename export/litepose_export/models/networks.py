"""The networks that can be built, what is known of each, and how a checkpoint names its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from litepose_edge.geometry import Size
from litepose_export.errors import CheckpointError, ExportError
from litepose_export.models.architecture_files import is_architecture_file, read_architecture
from litepose_export.models.architectures import efficientpose, litepose, vitpose
from litepose_export.models.architectures.efficientpose import EfficientPose
from litepose_export.models.architectures.fasterpose import FasterPose
from litepose_export.models.architectures.hierarchical import HierarchicalRMPG
from litepose_export.models.architectures.hourglass import Hourglass
from litepose_export.models.architectures.litepose import LitePose
from litepose_export.models.architectures.litepose_dense import DenseLitePose
from litepose_export.models.architectures.lrpose import LRPose
from litepose_export.models.architectures.persondet import PersonDet
from litepose_export.models.architectures.simplebaseline import SimpleBaseline
from litepose_export.models.architectures.vitpose import ViTPose
from litepose_export.models.checkpoints import State

PORTRAIT, SQUARE = Size(192, 256), Size(256, 256)
COCO_JOINTS, MPII_JOINTS = 17, 16
LRPOSE_INPUTS = {"n": Size(128, 192), "s": PORTRAIT, "m": Size(256, 320)}


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One row of the catalogue.

    Attributes:
        name: What users call it.
        family: The published system it belongs to; decides decoding and conventions.
        input_size: Its own input.
        multiple: H and W must be divisible by this.
        build: Makes it, untrained, for a number of keypoints and an input size.
        count_key: The tensor whose first dimension is the number of keypoints.
        accuracy: Published accuracy, with the data it was measured on; empty if there is none.
        source: Paper or repository of that figure.
        reconstructed: What the sources leave open and we chose; see `docs/models.md`.
        from_file: Whether an architecture file describes it. Its name comes from the file's then,
            and nothing that is known of networks by name holds for it.
    """

    name: str
    family: str
    input_size: Size
    multiple: int
    build: Callable[[int, Size], nn.Module]
    count_key: str
    accuracy: str = ""
    source: str = ""
    reconstructed: str = ""
    from_file: bool = False


def _litepose(name: str, accuracy: str) -> CatalogueEntry:
    side, arch = litepose.ARCHS[name]
    published = name in litepose.PUBLISHED
    source = "arXiv 2205.01271, mit-han-lab/litepose" if accuracy else "mit-han-lab/litepose"
    return CatalogueEntry(
        name=name,
        family="litepose",
        input_size=Size(side, side),
        multiple=16,
        build=lambda keypoints, _: LitePose(arch, keypoints),
        count_key="final_refined.1.conv.3.weight",
        accuracy=accuracy,
        source=source if published else "ours, after arXiv 2205.01271",
    )


def _efficientpose(name: str, accuracy: str) -> CatalogueEntry:
    arch = efficientpose.PUBLISHED[name]
    return CatalogueEntry(
        name=name,
        family="efficientpose",
        input_size=PORTRAIT,
        multiple=16,
        build=lambda keypoints, _: EfficientPose(arch, keypoints),
        count_key="final.2.weight",
        accuracy=accuracy,
        source="arXiv 2012.07086, hustvl/EfficientPose",
    )


def _simplebaseline(depth: int, accuracy: str, source: str, *, rmpg: bool) -> CatalogueEntry:
    return CatalogueEntry(
        name=f"simplebaseline-r{depth}" + ("-rmpg" if rmpg else ""),
        family="simplebaseline",
        input_size=PORTRAIT,
        multiple=32,
        build=lambda keypoints, _: SimpleBaseline(depth, keypoints, rmpg=rmpg),
        count_key="final_layer.weight",
        accuracy=accuracy,
        source=source,
        reconstructed=RMPG_OPEN if rmpg else "",
    )


def _vitpose(name: str, accuracy: str, source: str, *, rmpg: bool) -> CatalogueEntry:
    arch = vitpose.PUBLISHED[name]

    def build(keypoints: int, size: Size) -> nn.Module:
        patches = (size.width // vitpose.PATCH) * (size.height // vitpose.PATCH)
        return ViTPose(arch, keypoints, patches, rmpg=rmpg)

    return CatalogueEntry(
        name=name + ("-rmpg" if rmpg else ""),
        family="vitpose",
        input_size=PORTRAIT,
        multiple=vitpose.PATCH,
        build=build,
        count_key="keypoint_head.final_layer.weight",
        accuracy=accuracy,
        source=source,
        reconstructed=RMPG_OPEN if rmpg else "",
    )


def _lrpose(size: str) -> CatalogueEntry:
    return CatalogueEntry(
        name=f"lrpose-{size}",
        family="lrpose",
        input_size=LRPOSE_INPUTS[size],
        multiple=32,
        build=lambda keypoints, _: LRPose(size, keypoints),
        count_key="predict.weight",
        source="ours, after arXiv 2107.03215",
        reconstructed="FasterPose's head and loss",
    )


DENSE = "litepose-xs-dense"
RMPG_OPEN = "node operator, placement"
RMPG_SOURCE = "arXiv 2501.11069, lushbng/RMPG"
LITEPOSE_ACCURACY = {
    "litepose-xs": "COCO val 40.6, CrowdPose 49.5",
    "litepose-s": "COCO val 56.8, CrowdPose 58.3",
    "litepose-m": "COCO val 59.8, CrowdPose 59.9",
    "litepose-l": "COCO val 62.5, CrowdPose 61.9",
}

CATALOGUE: tuple[CatalogueEntry, ...] = (
    *(_lrpose(size) for size in "nsm"),
    CatalogueEntry(
        name="persondet",
        family="persondet",
        input_size=Size(352, 352),
        multiple=32,
        build=lambda _, __: PersonDet(),
        count_key="",
        source="ours",
    ),
    *(_litepose(name, LITEPOSE_ACCURACY.get(name, "")) for name in litepose.ARCHS),
    CatalogueEntry(
        name=DENSE,
        family="litepose",
        input_size=SQUARE,
        multiple=16,
        build=lambda keypoints, _: DenseLitePose("m", keypoints),
        count_key="final_refined.1.conv.3.weight",
        source="ours, after arXiv 2205.01271",
    ),
    _efficientpose("efficientpose-a", "COCO val 66.5, MPII 88.1 PCKh"),
    _efficientpose("efficientpose-b", "COCO val 71.1, MPII 89.3 PCKh"),
    _efficientpose("efficientpose-c", "COCO val 71.3, MPII 89.5 PCKh"),
    _simplebaseline(50, "COCO val 70.4", "arXiv 1804.06208", rmpg=False),
    _simplebaseline(101, "COCO val 71.4", "arXiv 1804.06208", rmpg=False),
    _simplebaseline(50, "COCO val 72.5", RMPG_SOURCE, rmpg=True),
    _simplebaseline(101, "COCO val 73.1", RMPG_SOURCE, rmpg=True),
    CatalogueEntry(
        name="hourglass",
        family="hourglass",
        input_size=SQUARE,
        multiple=128,
        build=lambda keypoints, _: Hourglass(keypoints),
        count_key="predict.weight",
        accuracy="COCO val 72.6",
        source="open-mmlab/mmpose",
    ),
    CatalogueEntry(
        name="hourglass-rmpg",
        family="hourglass",
        input_size=SQUARE,
        multiple=128,
        build=lambda keypoints, _: Hourglass(keypoints, rmpg=True),
        count_key="predict.weight",
        accuracy="COCO val 74.0",
        source=RMPG_SOURCE,
        reconstructed=RMPG_OPEN,
    ),
    _vitpose("vitpose-s", "COCO val 73.8", "arXiv 2204.12484", rmpg=False),
    _vitpose("vitpose-b", "COCO val 75.8", "arXiv 2204.12484", rmpg=False),
    _vitpose("vitpose-s", "", RMPG_SOURCE, rmpg=True),
    _vitpose("vitpose-b", "COCO val 76.1", RMPG_SOURCE, rmpg=True),
    CatalogueEntry(
        name="fasterpose-r50",
        family="lrpose",
        input_size=PORTRAIT,
        multiple=32,
        build=lambda keypoints, _: FasterPose(50, keypoints),
        count_key="predict.weight",
        accuracy="",
        source="arXiv 2107.03215",
        reconstructed="head, loss formula",
    ),
    CatalogueEntry(
        name="rmpg-hierarchical-r50",
        family="simplebaseline",
        input_size=PORTRAIT,
        multiple=32,
        build=lambda keypoints, _: HierarchicalRMPG(50, keypoints),
        count_key="final_layer.weight",
        source=RMPG_SOURCE,
        reconstructed="levels, parts, feedback, " + RMPG_OPEN,
    ),
)


def find(name: str) -> CatalogueEntry:
    """A network by name, or by the file of its architecture.

    Raises:
        ExportError: There is none of that name, or the file describes none.
    """
    if is_architecture_file(name):
        return _of_file(name)
    for network in CATALOGUE:
        if network.name == name:
            return network
    names = ", ".join(network.name for network in CATALOGUE)
    raise ExportError(f"no network '{name}'; there are: {names}")


def is_lrpose(name: str) -> bool:
    """Whether a name of the catalogue, or an architecture file, is of our own family."""
    if is_architecture_file(name):
        return find(name).family == "lrpose"
    return name.startswith("lrpose")


def _of_file(name: str) -> CatalogueEntry:
    """A network that no name is known of."""
    found = read_architecture(Path(name))
    like = {"litepose": "litepose-xs", "efficientpose": "efficientpose-a", "lrpose": "lrpose-s"}
    own = find(like[found.family])
    return CatalogueEntry(
        name=f"{found.family}-{Path(name).stem}",
        family=found.family,
        input_size=found.input_size,
        multiple=own.multiple,
        build=lambda keypoints, _: found.build(keypoints),
        count_key=own.count_key,
        source=name,
        from_file=True,
    )


def keypoints_of(network: CatalogueEntry, state: State) -> int:
    """How many keypoints a checkpoint's network finds.

    Raises:
        CheckpointError: The checkpoint lacks the tensor that tells.
    """
    if not network.count_key:
        return 0
    if network.count_key not in state:
        raise CheckpointError(f"this is no checkpoint of {network.name}: no {network.count_key}")
    return int(state[network.count_key].shape[0])


def check_arch(network: CatalogueEntry, state: State) -> None:
    """Compare what the checkpoint's tensors tell of its architecture with the network asked for.

    A network of an architecture file is compared tensor by tensor when its weights are loaded.

    Raises:
        CheckpointError: It is another network of the family, which the message names.
    """
    if network.from_file:
        return
    known: dict[str, object]
    found: object
    if network.name in litepose.ARCHS:
        found, _ = litepose.recover_arch(state)
        known = {name: arch for name, (_, arch) in litepose.ARCHS.items()}
    elif network.name in efficientpose.PUBLISHED:
        found, _ = efficientpose.recover_arch(state)
        known = dict(efficientpose.PUBLISHED)
    else:
        return
    if found != known[network.name]:
        names = [name for name, arch in known.items() if arch == found]
        what = f"it is {' or '.join(names)}" if names else f"its architecture is {found}"
        raise CheckpointError(f"this is no checkpoint of {network.name}: {what}")


def input_size_of(
    network: CatalogueEntry, keypoints: int, width: int | None, height: int | None
) -> Size:
    """The input to export for: the network's own unless told otherwise.

    Raises:
        ExportError: The network cannot take that size.
    """
    own = network.input_size
    if network.family in ("efficientpose", "simplebaseline") and keypoints == MPII_JOINTS:
        own = SQUARE
    size = Size(width or own.width, height or own.height)
    if size.width % network.multiple or size.height % network.multiple:
        raise ExportError(
            f"{network.name} takes widths and heights that are multiples of {network.multiple}, "
            f"got {size.width}x{size.height}"
        )
    return size
