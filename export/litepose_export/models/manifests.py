"""The manifests of the networks we can build: what each expects and how it is decoded."""

from __future__ import annotations

from typing import Literal

import msgspec

from litepose_edge.geometry import Size
from litepose_edge.manifest import (
    BOX_PADDING,
    IMAGENET_MEAN,
    IMAGENET_STD,
    SCHEMA,
    Activation,
    BottomUpSpec,
    DetectorSpec,
    HeatmapSpec,
    InputSpec,
    Manifest,
    TestTimeView,
    TopDownSpec,
    Training,
)
from litepose_edge.skeletons import COCO_17, Skeleton, skeleton_of
from litepose_export.errors import ExportError
from litepose_export.models.architectures.persondet import STRIDES
from litepose_export.models.networks import COCO_JOINTS, MPII_JOINTS, CatalogueEntry
from litepose_export.models.released import LICENCE, PHOTOGRAPHS, POSE_NETWORKS, ReleasedPose
from litepose_export.models.trained import TrainedAs

Colour = Literal["rgb", "bgr"]

POSE_OUTPUT = "heatmaps"
COARSE_OUTPUT, FINE_OUTPUT = "coarse", "fine"
DETECTOR_INPUT = Size(352, 352)
# Two views find more of the people near by: the smaller one shows them whole. ADR 14.
DETECTOR_VIEWS = (
    TestTimeView(width=224, height=224),
    TestTimeView(width=352, height=352, mirrored=True),
)
DETECTOR_OUTPUTS = tuple(f"level_{stride}" for stride in STRIDES)
FILL = (114, 114, 114)
MAX_IOU = 0.6

DETECTOR_TRAINING = Training(
    data=(PHOTOGRAPHS,), teachers=("RTMDet-nano person 640",), licence=LICENCE
)
# Channel order of the published EfficientPose checkpoints, by network and number of keypoints.
# The configuration of MPII's A was never published.
EFFICIENTPOSE_COLOURS: dict[tuple[str, int], Colour] = {
    ("efficientpose-a", COCO_JOINTS): "bgr",
    ("efficientpose-b", COCO_JOINTS): "rgb",
    ("efficientpose-c", COCO_JOINTS): "rgb",
    ("efficientpose-b", MPII_JOINTS): "bgr",
    ("efficientpose-c", MPII_JOINTS): "rgb",
}

NOT_SAID = TrainedAs()  # by checkpoints of others


def manifest(
    network: CatalogueEntry,
    keypoints: int,
    size: Size | None = None,
    colour: Colour | None = None,
    trained: TrainedAs = NOT_SAID,
    *,
    released: bool = False,
) -> Manifest:
    """The manifest of a network's float file.

    Args:
        network: Which.
        keypoints: How many it finds; decides the skeleton.
        size: Its input; the network's own unless given.
        colour: Channel order its weights were trained with; the known one unless given.
        trained: What the run that made the weights says of them.
        released: Whether they are to be released as ours, with what is stated here of them.

    Raises:
        ExportError: The channel order is not known, no skeleton has that many keypoints, or
            nothing of that network was released.
    """
    ours = _released(network, keypoints, trained)
    if released and ours is None:
        raise ExportError(
            f"released thresholds are those of {', '.join(POSE_NETWORKS)} for people's "
            f"{COCO_JOINTS} keypoints; of this {network.name} there are none: leave `released` out"
        )
    size = size or network.input_size
    # Training here is on RGB; only checkpoints of others may be otherwise.
    order = colour or ("rgb" if trained.training else _colour(network, keypoints))
    skeleton = trained.skeleton
    spec = InputSpec(
        width=size.width, height=size.height, colour=order, mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    model: TopDownSpec | BottomUpSpec | DetectorSpec
    training = Training()
    match network.family:
        case "persondet":
            training = DETECTOR_TRAINING
            model = DetectorSpec(
                output_format="persondet",
                outputs=DETECTOR_OUTPUTS,
                strides=STRIDES,
                fill=FILL,
                max_iou=MAX_IOU,
            )
        case "litepose":
            model = BottomUpSpec(
                coarse=COARSE_OUTPUT,
                fine=FINE_OUTPUT,
                skeleton=skeleton or _skeleton(keypoints),
            )
        case _:
            model = TopDownSpec(
                padding=BOX_PADDING,
                heatmaps=_heatmaps(network.family),
                skeleton=skeleton or _skeleton(keypoints),
            )
            if ours is not None and (released or _measured(trained)):
                training = ours.training
                model = ours.applied(model)
            if trained.thresholds is not None and not released:
                model = trained.thresholds.applied(model)
    if trained.activation is not None:
        model = _with_activation(model, trained.activation)
    return Manifest(
        schema=SCHEMA,
        name=trained.name or network.name,
        precision="fp32",
        input=spec,
        model=model,
        training=training if released or trained.training is None else trained.training,
    )


def _released(network: CatalogueEntry, keypoints: int, trained: TrainedAs) -> ReleasedPose | None:
    """What was measured of the released network of that name, for the keypoints it finds."""
    ours = None if network.from_file else POSE_NETWORKS.get(network.name)
    if ours is None:
        return None
    # Our thresholds were measured on people's 17 keypoints.
    skeleton = trained.skeleton or _skeleton(keypoints)
    return ours if skeleton.keypoint_names == COCO_17.keypoint_names else None


def _measured(trained: TrainedAs) -> bool:
    """Whether thresholds are known: those of users' runs are measured, or not known at all.

    Where they are measured, the ones for the flip test follow from ours.
    """
    return trained.training is None or trained.thresholds is not None


def with_views(manifest: Manifest) -> Manifest:
    """The manifest of a detector whose graph takes any size, if the size is the usual one."""
    if not isinstance(manifest.model, DetectorSpec) or manifest.input.size != DETECTOR_INPUT:
        return manifest
    model = msgspec.structs.replace(manifest.model, views=DETECTOR_VIEWS)
    return msgspec.structs.replace(manifest, model=model)


Model = TopDownSpec | BottomUpSpec | DetectorSpec


def _with_activation(model: Model, activation: Activation) -> Model:
    """The same task, with maps that become heat in another way."""
    if not isinstance(model, TopDownSpec) or model.heatmaps is None:
        return model
    heatmaps = msgspec.structs.replace(model.heatmaps, activation=activation)
    return msgspec.structs.replace(model, heatmaps=heatmaps)


def _heatmaps(family: str) -> HeatmapSpec:
    """How maps become keypoints: the conventions each family was trained with."""
    match family:
        case "lrpose":
            # Regressive cross-entropy makes maps logits of probabilities; targets are unbiased.
            # Decoded by expected OKS from their softmax, joints are nearer than DARK's (ADR 13).
            return HeatmapSpec(
                output=POSE_OUTPUT,
                activation="sigmoid",
                alignment="centre",
                refinement="expected-oks",
            )
        case "vitpose":
            # Trained with UDP: first and last cell lie on first and last pixel.
            return HeatmapSpec(
                output=POSE_OUTPUT,
                activation="linear",
                alignment="udp",
                refinement="dark-udp",
                blur_kernel=11,
            )
        case _:
            # SimpleBaseline's convention: cell = round(pixel / stride), a quarter cell of shift.
            return HeatmapSpec(
                output=POSE_OUTPUT, activation="linear", alignment="corner", refinement="quarter"
            )


def _colour(network: CatalogueEntry, keypoints: int) -> Colour:
    if network.family != "efficientpose":
        return "rgb"
    known = None
    if not network.from_file:
        known = EFFICIENTPOSE_COLOURS.get((network.name, keypoints))
    if known is None:
        raise ExportError(
            f"the channel order of {network.name} with {keypoints} keypoints was never "
            "published: say which with --colour rgb or --colour bgr"
        )
    return known


def _skeleton(keypoints: int) -> Skeleton:
    try:
        return skeleton_of(keypoints)
    except ValueError as exc:
        raise ExportError(str(exc)) from exc
