"""The conventions of network families that others publish: a manifest for each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from litepose_edge.geometry import Size
from litepose_edge.manifest import (
    BOX_PADDING,
    IMAGENET_MEAN,
    IMAGENET_STD,
    SCHEMA,
    DecodedFormat,
    DetectorFormat,
    DetectorSpec,
    FastestdetFormat,
    GflFormat,
    HeatmapSpec,
    InputSpec,
    Manifest,
    OneStageSpec,
    RegressionSpec,
    RtmdetFormat,
    RtmoFormat,
    SimccSpec,
    TopDownSpec,
    Triple,
    YoloPoseFormat,
    YoloxFormat,
)
from litepose_edge.skeletons import Skeleton

Colour = Literal["rgb", "bgr"]
Placement = Literal["centre", "corner", "stretch"]
Scaling = tuple[Triple, Triple]

PLAIN: Scaling = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
UNIT: Scaling = ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
# ImageNet's, in the order of each family's channels.
IMAGENET_RGB: Scaling = (IMAGENET_MEAN, IMAGENET_STD)
IMAGENET_BGR: Scaling = (IMAGENET_MEAN[::-1], IMAGENET_STD[::-1])
GREY, BLACK = (114, 114, 114), (0, 0, 0)
THREE_LEVELS, FOUR_LEVELS, FIVE_LEVELS = (8, 16, 32), (8, 16, 32, 64), (8, 16, 32, 64, 128)
MAX_IOU = 0.6


class OutputFormatName(str, Enum):
    """A family of networks."""

    YOLOX = "yolox"
    NANODET = "nanodet"
    NANODET_PLUS = "nanodet-plus"
    GFL = "gfl"
    PICODET = "picodet"
    PICODET_DECODED = "picodet-decoded"
    RTMDET = "rtmdet"
    DECODED = "decoded"
    FASTESTDET = "fastestdet"
    PERSONDET = "persondet"
    HEATMAP = "heatmap"
    SIMCC = "simcc"
    MOVENET = "movenet"
    YOLO_POSE = "yolo-pose"
    RTMO = "rtmo"


@dataclass(frozen=True, slots=True)
class Graph:
    """What a model file says about itself, and what it is to be called.

    Attributes:
        name: The model's name.
        size: Its input's.
        uint8: Whether it takes uint8 values.
        nhwc: Whether it takes pixels rather than planes.
        outputs: Names of the outputs, in the order the format wants.
        skeleton: The keypoint set, for pose networks.
        end_to_end: Whether a YOLO pose network suppresses duplicates in the graph.
        unit: Of its boxes and keypoints.
    """

    name: str
    size: Size
    uint8: bool
    nhwc: bool
    outputs: tuple[str, ...]
    skeleton: Skeleton
    end_to_end: bool = False
    unit: Literal["pixels", "image"] = "pixels"


@dataclass(frozen=True, slots=True)
class Described:
    """A family's conventions: the model's, its channels' order, mean and deviation."""

    model: TopDownSpec | OneStageSpec | DetectorSpec
    colour: Colour
    scaling: Scaling


def preset(output_format: OutputFormatName, graph: Graph) -> Manifest:
    """The manifest of a network of that family, as the family publishes its networks.

    Raises:
        ValueError: The graph has not as many outputs as the format reads.
    """
    poses = (OutputFormatName.HEATMAP, OutputFormatName.SIMCC, OutputFormatName.MOVENET)
    if output_format in (OutputFormatName.YOLO_POSE, OutputFormatName.RTMO):
        found = _one_stage(output_format, graph)
    elif output_format in poses:
        found = _pose(output_format, graph)
    else:
        found = _detector(output_format, graph.outputs)
    mean, std = PLAIN if graph.uint8 else found.scaling
    return Manifest(
        schema=SCHEMA,
        name=graph.name,
        precision="fp32",
        input=InputSpec(
            width=graph.size.width,
            height=graph.size.height,
            colour=found.colour,
            mean=mean,
            std=std,
            dtype="uint8" if graph.uint8 else "float32",
            layout="nhwc" if graph.nhwc else "nchw",
        ),
        model=found.model,
    )


def _pose(output_format: OutputFormatName, graph: Graph) -> Described:
    first, skeleton = graph.outputs[0], graph.skeleton
    match output_format:
        case OutputFormatName.SIMCC:  # RTMPose
            if len(graph.outputs) < 2:
                raise ValueError("a SimCC head has two outputs, x and y; the graph has one")
            simcc = SimccSpec(x=first, y=graph.outputs[1])
            model = TopDownSpec(padding=BOX_PADDING, skeleton=skeleton, simcc=simcc)
        case OutputFormatName.MOVENET:
            table = RegressionSpec(output=first, alignment="centre")
            model = TopDownSpec(padding=BOX_PADDING, skeleton=skeleton, regression=table)
            return Described(model, "rgb", PLAIN)
        case _:  # SimpleBaseline's conventions, decoded by DARK
            maps = HeatmapSpec(
                output=first,
                activation="linear",
                alignment="corner",
                refinement="dark",
                blur_kernel=11,
            )
            model = TopDownSpec(padding=BOX_PADDING, skeleton=skeleton, heatmaps=maps)
    return Described(model, "rgb", IMAGENET_RGB)


def _one_stage(output_format: OutputFormatName, graph: Graph) -> Described:
    if output_format is OutputFormatName.YOLO_POSE:  # Ultralytics'
        yolo = OneStageSpec(
            output_format=YoloPoseFormat(end_to_end=graph.end_to_end, unit=graph.unit),
            outputs=graph.outputs[:1],
            skeleton=graph.skeleton,
            fill=GREY,
        )
        return Described(yolo, "rgb", UNIT)
    if len(graph.outputs) < 2:
        raise ValueError("RTMO has two outputs, boxes and keypoints; the graph has one")
    rtmo = OneStageSpec(
        output_format=RtmoFormat(),
        outputs=graph.outputs[:2],
        skeleton=graph.skeleton,
        fill=GREY,
        placement="corner",
    )
    return Described(rtmo, "bgr", PLAIN)


def _detector(output_format: OutputFormatName, outputs: tuple[str, ...]) -> Described:
    first = outputs[:1]
    match output_format:
        case (
            OutputFormatName.NANODET
            | OutputFormatName.NANODET_PLUS
            | OutputFormatName.GFL
            | OutputFormatName.PICODET
        ):
            return _distributions(output_format, outputs)
        case OutputFormatName.YOLOX:
            yolox = _spec(YoloxFormat(), first, THREE_LEVELS, "corner", GREY)
            return Described(yolox, "bgr", PLAIN)
        case OutputFormatName.PICODET_DECODED:
            # Published for stretched images, but finds more in whole ones: AP50 .649 for .630.
            boxes = _spec(DecodedFormat(transposed=outputs[1:2]), outputs[:2], (), "centre")
            return Described(boxes, "rgb", IMAGENET_RGB)
        case OutputFormatName.RTMDET:
            rtmdet = _spec(RtmdetFormat(), outputs, THREE_LEVELS, "corner", GREY)
            return Described(rtmdet, "bgr", IMAGENET_BGR)
        case OutputFormatName.FASTESTDET:
            return Described(_spec(FastestdetFormat(), first, (16,)), "bgr", UNIT)
        case OutputFormatName.PERSONDET:
            ours = _spec("persondet", outputs, THREE_LEVELS, "centre", GREY)
            return Described(ours, "rgb", IMAGENET_RGB)
        case _:  # MMDeploy's: boxes with scores, labels
            table = DecodedFormat(columns=("x1", "y1", "x2", "y2", "score"))
            decoded = _spec(table, outputs[:2], (), "corner", GREY)
            return Described(decoded, "bgr", IMAGENET_BGR)


def _distributions(output_format: OutputFormatName, outputs: tuple[str, ...]) -> Described:
    match output_format:
        case OutputFormatName.NANODET:
            nanodet = _spec(GflFormat(), outputs, THREE_LEVELS, "centre")
            return Described(nanodet, "bgr", IMAGENET_BGR)
        case OutputFormatName.NANODET_PLUS:
            plus = _spec(GflFormat(cell_offset=0.0), outputs[:1], FOUR_LEVELS)
            return Described(plus, "bgr", IMAGENET_BGR)
        case OutputFormatName.PICODET:
            picodet = _spec(GflFormat(), outputs, FOUR_LEVELS, "centre")
            return Described(picodet, "rgb", IMAGENET_RGB)
        case _:  # MMDetection's GFL
            gfl = GflFormat(bins=17, cell_offset=0.0, activation="sigmoid")
            return Described(_spec(gfl, outputs, FIVE_LEVELS, "corner"), "rgb", IMAGENET_RGB)


def _spec(
    output_format: DetectorFormat,
    outputs: tuple[str, ...],
    strides: tuple[int, ...] = (),
    placement: Placement = "stretch",
    fill: tuple[int, int, int] = BLACK,
) -> DetectorSpec:
    return DetectorSpec(
        output_format=output_format,
        outputs=outputs,
        fill=fill,
        max_iou=MAX_IOU,
        strides=strides,
        placement=placement,
    )
