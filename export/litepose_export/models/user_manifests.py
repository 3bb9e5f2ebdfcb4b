"""Manifests of networks of users: what each kind of head needs to say, checked as any file's is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Size
from litepose_edge.manifest import (
    BOX_PADDING,
    IMAGENET_MEAN,
    IMAGENET_STD,
    SCHEMA,
    Activation,
    Alignment,
    BottomUpSpec,
    DetectorSpec,
    HeatmapSpec,
    InputSpec,
    Manifest,
    Refinement,
    RegressionSpec,
    SimccSpec,
    Task,
    TopDownSpec,
    Training,
    Triple,
    encode_manifest,
    parse_manifest,
)
from litepose_edge.manifest.presets import Graph, OutputFormatName, preset
from litepose_edge.skeletons import COCO_17, Skeleton

Colour = Literal["rgb", "bgr"]
SizeLike = Size | tuple[int, int]
Numbers = Sequence[float]
NOT_STATED = Training()
HEATMAPS, SIMCC, COORDINATES, COARSE_FINE = (
    "heatmaps", ("simcc_x", "simcc_y"), "coordinates", ("coarse", "fine"),
)  # fmt: skip


def heatmap_manifest(
    name: str,
    *,
    input_size: SizeLike,
    skeleton: Skeleton = COCO_17,
    colour: Colour = "rgb",
    mean: Numbers | None = None,
    std: Numbers | None = None,
    alignment: Alignment = "corner",
    activation: Activation = "linear",
    refinement: Refinement = "dark",
    blur_kernel: int = 11,
    padding: float = BOX_PADDING,
    output: str | None = None,
    training: Training = NOT_STATED,
) -> Manifest:
    """Describe a network of one person's crop with a heatmap a keypoint, `(N, K, h, w)`.

    Args:
        name: What the model shall be called.
        input_size: Of the input, `(width, height)`.
        skeleton: The keypoint set, in the order of the maps.
        colour: Order of the input's channels.
        mean: Subtracted from each channel, of values from 0 to 255, in that order; ImageNet's
            unless given.
        std: Each channel is divided by it; ImageNet's unless given.
        alignment: Where cells lie in the input: `"corner"` (SimpleBaseline), `"udp"`, `"centre"`.
        activation: `"sigmoid"` where the maps are logits.
        refinement: How a place between the cells is found.
        blur_kernel: Odd width in cells of the blur of `"dark"`; 11 for targets of sigma 2.
        padding: Factor by which a box grows before it is cropped.
        output: Name of the output; the network's only one unless given.
        training: What the weights were trained on and by.

    Raises:
        ManifestError: A value is out of its range.
    """
    with fitting_values():
        maps = HeatmapSpec(
            output=output or HEATMAPS,
            activation=activation,
            alignment=alignment,
            refinement=refinement,
            blur_kernel=blur_kernel,
        )
        model = TopDownSpec(padding=padding, skeleton=skeleton, heatmaps=maps)
    return checked(name, _input(input_size, colour, mean, std), model, training)


def simcc_manifest(
    name: str,
    *,
    input_size: SizeLike,
    skeleton: Skeleton = COCO_17,
    colour: Colour = "rgb",
    mean: Numbers | None = None,
    std: Numbers | None = None,
    split_ratio: float = 2.0,
    activation: Literal["linear", "softmax"] = "linear",
    sigma: float = 6.0,
    window: int = 5,
    padding: float = BOX_PADDING,
    outputs: tuple[str, str] = SIMCC,
    training: Training = NOT_STATED,
) -> Manifest:
    """Describe a network of one person's crop that classifies x and y (SimCC, RTMPose).

    Args:
        name: What the model shall be called.
        input_size: Of the input, `(width, height)`.
        skeleton: The keypoint set, in the order of the rows.
        colour: Order of the input's channels.
        mean: As for `heatmap_manifest`.
        std: As for `heatmap_manifest`.
        split_ratio: Bins an input pixel.
        activation: `"softmax"` where the values are logits of a distribution over bins.
        sigma: With softmax, the spread in bins of the Gaussians trained towards.
        window: Odd number of bins that the sub-pixel parabola is fitted to; 1 fits none.
        padding: Factor by which a box grows before it is cropped.
        outputs: Names of x and y, in the order in which the network returns them.
        training: What the weights were trained on and by.

    Raises:
        ManifestError: A value is out of its range.
    """
    x, y = outputs
    with fitting_values():
        simcc = SimccSpec(
            x=x, y=y, split_ratio=split_ratio, activation=activation, sigma=sigma, window=window
        )
        model = TopDownSpec(padding=padding, skeleton=skeleton, simcc=simcc)
    return checked(name, _input(input_size, colour, mean, std), model, training)


def regression_manifest(
    name: str,
    *,
    input_size: SizeLike,
    skeleton: Skeleton = COCO_17,
    colour: Colour = "rgb",
    mean: Numbers | None = None,
    std: Numbers | None = None,
    order: tuple[Literal["x", "y", "score"], ...] = ("x", "y", "score"),
    unit: Literal["image", "pixels"] = "image",
    alignment: Alignment = "corner",
    activation: Activation = "linear",
    padding: float = BOX_PADDING,
    output: str | None = None,
    training: Training = NOT_STATED,
) -> Manifest:
    """Describe a network of one person's crop that gives coordinates, `(N, K, 3)`.

    Args:
        name: What the model shall be called.
        input_size: Of the input, `(width, height)`.
        skeleton: The keypoint set, in the order of the rows.
        colour: Order of the input's channels.
        mean: As for `heatmap_manifest`.
        std: As for `heatmap_manifest`.
        order: What the three columns hold.
        unit: `"image"`: from 0 to 1 across the input; `"pixels"`: input pixels.
        alignment: With `"image"`, where 0 and 1 lie.
        activation: What turns the score column into `[0, 1]`.
        padding: Factor by which a box grows before it is cropped.
        output: Name of the output; the network's only one unless given.
        training: What the weights were trained on and by.

    Raises:
        ManifestError: A value is out of its range.
    """
    with fitting_values():
        table = RegressionSpec(
            output=output or COORDINATES,
            order=order,  # type: ignore[arg-type]
            unit=unit,
            alignment=alignment,
            activation=activation,
        )
        model = TopDownSpec(padding=padding, skeleton=skeleton, regression=table)
    return checked(name, _input(input_size, colour, mean, std), model, training)


def bottom_up_manifest(
    name: str,
    *,
    input_size: SizeLike,
    skeleton: Skeleton = COCO_17,
    colour: Colour = "rgb",
    mean: Numbers | None = None,
    std: Numbers | None = None,
    min_peak: float = 0.1,
    max_tag_distance: float = 1.0,
    max_join_distance: float | None = None,
    max_people: int = 30,
    outputs: tuple[str, str] = COARSE_FINE,
    training: Training = NOT_STATED,
) -> Manifest:
    """Describe a network of a whole image with heatmaps and associative-embedding tags.

    Args:
        name: What the model shall be called.
        input_size: Of the input, `(width, height)`.
        skeleton: The keypoint set, in the order of the maps.
        colour: Order of the input's channels.
        mean: As for `heatmap_manifest`.
        std: As for `heatmap_manifest`.
        min_peak: Peaks below are no keypoints.
        max_tag_distance: A keypoint joins a person whose mean tag is nearer than this.
        max_join_distance: How far a keypoint may be from the rest of a person, as a part of the
            maps' short side; any distance unless given.
        max_people: At most so many people.
        outputs: Names of K heatmaps followed by K tag maps, and of K heatmaps at twice their
            resolution, in the order in which the network returns them.
        training: What the weights were trained on and by.

    Raises:
        ManifestError: A value is out of its range.
    """
    coarse, fine = outputs
    with fitting_values():
        model = BottomUpSpec(
            coarse=coarse,
            fine=fine,
            skeleton=skeleton,
            min_peak=min_peak,
            max_tag_distance=max_tag_distance,
            max_join_distance=max_join_distance,
            max_people=max_people,
        )
    return checked(name, _input(input_size, colour, mean, std), model, training)


def detector_manifest(
    name: str,
    *,
    input_size: SizeLike,
    output_format: str,
    outputs: tuple[str, ...] = ("boxes",),
    colour: Colour | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    person: int = 0,
    max_iou: float | None = None,
    training: Training = NOT_STATED,
) -> Manifest:
    """Describe a detector of people by the family whose outputs it has.

    Args:
        name: What the model shall be called.
        input_size: Of the input, `(width, height)`.
        output_format: A format of `litepose-edge adopt`, such as `"yolox"`.
        outputs: Names of the outputs, in the order of the format.
        colour: Order of the input's channels; the family's unless given.
        mean: Subtracted from each channel, of values from 0 to 255; the family's unless given.
        std: Each channel is divided by it; the family's unless given.
        person: Index of the class that is people.
        max_iou: A box overlapping a better one by more is dropped; the family's unless given.
        training: What the weights were trained on and by.

    Raises:
        ManifestError: No such format, or a value is out of its range.
    """
    size = to_size(input_size)
    try:
        graph = Graph(name, size, uint8=False, nhwc=False, outputs=outputs, skeleton=COCO_17)
        found = preset(OutputFormatName(output_format), graph)
    except ValueError as exc:
        raise ManifestError(
            f"output format {output_format!r} does not fit: {exc}; there are: "
            f"{', '.join(OutputFormatName)}"
        ) from exc
    if not isinstance(found.model, DetectorSpec):
        raise ManifestError(f"output format {output_format!r} is of pose networks, not detectors")
    own = found.model
    model = DetectorSpec(
        output_format=own.output_format,
        outputs=own.outputs,
        fill=own.fill,
        max_iou=own.max_iou if max_iou is None else max_iou,
        strides=own.strides,
        placement=own.placement,
        person=person,
    )
    return checked(name, family_input(size, found.input, colour, mean, std), model, training)


def to_size(given: SizeLike) -> Size:
    """A size, from either form."""
    return given if isinstance(given, Size) else Size(*given)


def family_input(
    size: Size, family: InputSpec, colour: Colour | None, mean: Numbers | None, std: Numbers | None
) -> InputSpec:
    """The input tensor as the family has it, unless said otherwise."""
    return _input(
        size, colour or family.colour, family.mean if mean is None else mean,
        family.std if std is None else std,
    )  # fmt: skip


def _input(
    input_size: SizeLike, colour: Colour, mean: Numbers | None, std: Numbers | None
) -> InputSpec:
    """The input tensor; ImageNet's statistics in the order of the channels where none are given."""
    turned = -1 if colour == "bgr" else 1
    centre = _triple("mean", IMAGENET_MEAN[::turned] if mean is None else mean)
    spread = _triple("std", IMAGENET_STD[::turned] if std is None else std)
    if any(value < 1 for value in spread):
        raise ManifestError(
            f"`std` is of values from 0 to 255, got {spread}: multiply `mean` and `std` by 255"
        )
    size = to_size(input_size)
    return InputSpec(
        width=size.width,
        height=size.height,
        colour=colour,
        mean=centre,
        std=spread,
    )


def _triple(what: str, values: Numbers) -> Triple:
    if len(values) != 3:
        raise ManifestError(f"`{what}` must be three numbers, one a channel, got {len(values)}")
    first, second, third = (float(value) for value in values)
    return first, second, third


@contextmanager
def fitting_values() -> Iterator[None]:
    """Makes a `ManifestError` of values that a task refuses because they do not fit each other."""
    try:
        yield
    except ValueError as exc:
        raise ManifestError(f"the manifest is invalid: {exc}") from exc


def checked(name: str, spec: InputSpec, model: Task, training: Training) -> Manifest:
    """The manifest, read back as a file's is: every value is checked."""
    manifest = Manifest(
        schema=SCHEMA, name=name, precision="fp32", input=spec, model=model, training=training
    )
    return parse_manifest(encode_manifest(manifest))
