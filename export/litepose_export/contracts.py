"""The manifests of our own networks."""

from __future__ import annotations

from litepose_edge.geometry import Size
from litepose_edge.manifest import (
    SCHEMA,
    DetectorSpec,
    HeatmapSpec,
    InputSpec,
    Manifest,
    TopDownSpec,
    Training,
)
from litepose_edge.skeletons import COCO_17
from litepose_export.models.persondet import STRIDES
from litepose_export.training.pose import MEAN, STD

POSE_INPUT = Size(144, 192)
POSE_OUTPUT = "heatmaps"
PADDING = 1.25
DETECTOR_INPUT = Size(352, 352)
DETECTOR_OUTPUTS = tuple(f"level_{stride}" for stride in STRIDES)
FILL = (114, 114, 114)
MAX_IOU = 0.6

PHOTOGRAPHS = "COCO val2017 (part) and train2017 (118 photographs)"
LICENCE = "Apache-2.0"
POSE_TRAINING = Training(
    data=(PHOTOGRAPHS, "Leeds Sports Pose Extended (part)"),
    teachers=("PP-TinyPose 256x192", "Ultralight-Nano-SimplePose 256x192"),
    licence=LICENCE,
)
DETECTOR_TRAINING = Training(
    data=(PHOTOGRAPHS,), teachers=("RTMDet-nano person 640",), licence=LICENCE
)


def pose_contract(name: str, size: Size = POSE_INPUT) -> Manifest:
    """Contract of an LRPose network."""
    heatmaps = HeatmapSpec(
        output=POSE_OUTPUT,
        activation="sigmoid",
        alignment="centre",
        refinement="dark",
        blur_kernel=3,
    )
    return Manifest(
        schema=SCHEMA,
        name=name,
        precision="fp32",
        input=_input(size),
        model=TopDownSpec(padding=PADDING, heatmaps=heatmaps, skeleton=COCO_17),
        training=POSE_TRAINING,
    )


def detector_contract(name: str, size: Size = DETECTOR_INPUT) -> Manifest:
    """Contract of a PersonDet network."""
    return Manifest(
        schema=SCHEMA,
        name=name,
        precision="fp32",
        input=_input(size),
        model=DetectorSpec(
            style="persondet",
            outputs=DETECTOR_OUTPUTS,
            strides=STRIDES,
            fill=FILL,
            max_iou=MAX_IOU,
        ),
        training=DETECTOR_TRAINING,
    )


def _input(size: Size) -> InputSpec:
    return InputSpec(width=size.width, height=size.height, colour="rgb", mean=MEAN, std=STD)
