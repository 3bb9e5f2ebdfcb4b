"""The contract a model file carries: what goes in, what comes out, how it was made.

The JSON lies in the ONNX metadata under `METADATA_KEY`, or beside a file we did not write.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Size
from litepose_edge.skeletons import Skeleton
from litepose_edge.styles import Activation as Activation
from litepose_edge.styles import (
    DecodedStyle,
    DetectorStyle,
    FastestdetStyle,
    GflStyle,
    Part,
    RtmdetStyle,
    Unit,
    YoloxStyle,
    style_name,
)

METADATA_KEY = "litepose_edge"
SCHEMA = 1

Alignment = Literal["centre", "corner", "udp"]
Refinement = Literal["dark", "dark-udp", "quarter", "argmax", "expected-oks"]
Positive = Annotated[int, Meta(gt=0)]
Triple = tuple[float, float, float]
Column = Literal["x", "y", "score"]


class InputSpec(Part, frozen=True, omit_defaults=True):
    """How pixels become the network's input: `(pixel - mean) / std` on 0..255 values.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        colour: Order of the channels.
        mean: Subtracted from each channel, in that order.
        std: Each channel is divided by it.
        dtype: `"uint8"` graphs normalise by themselves: mean and deviation are not applied.
        layout: `"nchw"` planes or `"nhwc"` pixels. Files of ours with `dtype="uint8"` say
            `"nchw"` about what is inside; they take `(N, H, W, 3)` BGR pixels and bring them
            into order and layout by themselves.
    """

    width: Positive
    height: Positive
    colour: Literal["rgb", "bgr"]
    mean: Triple
    std: Triple
    dtype: Literal["float32", "uint8"] = "float32"
    layout: Literal["nchw", "nhwc"] = "nchw"

    @property
    def size(self) -> Size:
        """Width and height together."""
        return Size(self.width, self.height)

    @property
    def in_graph(self) -> bool:
        """Whether BGR pixels go in as they are and the graph does the rest."""
        return self.dtype == "uint8" and self.layout == "nchw"

    @property
    def channels_last(self) -> bool:
        """Whether the graph takes pixels and not planes."""
        return self.layout == "nhwc" or self.in_graph

    @property
    def shape(self) -> tuple[int, int, int]:
        """What one item of the batch must look like."""
        if self.channels_last:
            return (self.height, self.width, 3)
        return (3, self.height, self.width)


class HeatmapSpec(Part, frozen=True):
    """How a pose network's maps become keypoints.

    Attributes:
        output: `(N, K, h, w)`.
        activation: What makes heat in `[0, 1]` of the values.
        alignment: Where cells lie in the input (`decode.cells_to_input`).
        refinement: How a place between the cells is found (`decode.decode_heatmaps`).
        blur_kernel: Odd width of the blur of `"dark"` and `"dark-udp"`.
    """

    output: str
    activation: Activation
    alignment: Alignment
    refinement: Refinement
    blur_kernel: Positive = 3


class SimccSpec(Part, frozen=True):
    """How two one-dimensional classifications become keypoints (SimCC, arXiv 2107.03332).

    Attributes:
        x: Output `(N, K, width * split_ratio)`.
        y: Output `(N, K, height * split_ratio)`.
        split_ratio: Bins an input pixel; bin `i` stands for pixel `i / split_ratio`.
        activation: `"linear"`: the height of a peak is its score (RTMPose); `"softmax"`: the
            values are logits of a distribution over bins.
        sigma: With softmax, the spread in bins of the Gaussians trained towards: a peak as high
            as theirs scores 1.
        window: Odd number of bins that the sub-pixel parabola is fitted to; 1 fits none.
    """

    x: str
    y: str
    split_ratio: Annotated[float, Meta(gt=0)] = 2.0
    activation: Literal["linear", "softmax"] = "linear"
    sigma: Annotated[float, Meta(gt=0)] = 6.0
    window: Positive = 5

    def __post_init__(self) -> None:
        if self.window % 2 == 0:
            raise ValueError("`window` must be odd")


class RegressionSpec(Part, frozen=True):
    """How a table of coordinates becomes keypoints.

    Attributes:
        output: `(N, ..., K, 3)`.
        order: What the three columns hold.
        unit: `"image"`: coordinates run from 0 to 1 across the input; `"pixels"`: they are
            input pixels.
        alignment: With `"image"`, where 0 and 1 lie: `"corner"`: `x = u * width`; `"centre"`:
            on the outer edges of the outer pixels; `"udp"`: on their middles.
        activation: What turns the score column into `[0, 1]`.
    """

    output: str
    order: tuple[Column, Column, Column] = ("y", "x", "score")
    unit: Literal["image", "pixels"] = "image"
    alignment: Alignment = "corner"
    activation: Activation = "linear"

    def __post_init__(self) -> None:
        if sorted(self.order) != ["score", "x", "y"]:
            raise ValueError("`order` must name x, y and score once each")


class TopDownSpec(Part, frozen=True, tag="topdown", tag_field="task", omit_defaults=True):
    """One person's crop in, one place a keypoint out, by one of three kinds of head.

    Attributes:
        padding: Factor by which a box grows before it is cropped.
        skeleton: The keypoint set.
        heatmaps, simcc, regression: The head: a map a keypoint, x and y classified, coordinates.
        veto: Mean score that the best keypoints of a found person need where the box scores no more
            than `min_score`; less for better boxes (`results.belief`). Others are false alarms.
        second_look: Pose score (`results.pose_scores`) below which a mirrored crop is averaged in.
        recheck: The same for people whom a detector found, if it is more.
    """

    padding: Annotated[float, Meta(ge=1)]
    skeleton: Skeleton
    heatmaps: HeatmapSpec | None = None
    simcc: SimccSpec | None = None
    regression: RegressionSpec | None = None
    veto: Unit = 0.65
    second_look: Unit = 0.0
    recheck: Unit = 0.0

    def __post_init__(self) -> None:
        if sum(head is not None for head in (self.heatmaps, self.simcc, self.regression)) != 1:
            raise ValueError("exactly one of `heatmaps`, `simcc`, `regression` must be there")

    @property
    def head(self) -> HeatmapSpec | SimccSpec | RegressionSpec:
        """The one head."""
        head = self.heatmaps or self.simcc or self.regression
        assert head is not None
        return head


class BottomUpSpec(Part, frozen=True, tag="bottomup", tag_field="task"):
    """A whole image in; heatmaps and associative-embedding tags of everybody out.

    Attributes:
        coarse: Output of K heatmaps followed by K tag maps.
        fine: Output of K heatmaps at twice its resolution.
        skeleton: The keypoint set.
        nms_kernel: Odd width of the window in which a peak must be the largest, in cells.
        min_peak: Peaks below are no keypoints.
        max_tag_distance: A keypoint joins a person whose mean tag is nearer than this.
        reach: Part of the maps' short side. A keypoint joins a person whose nearest keypoint is no
            farther than this, or than the person's own extent so far; None, as published, has
            it join at any distance.
        max_people: At most so many people; twice as many candidates for each keypoint.
        long_side_multiple: The published input policy: the short side becomes the network's, the
            long side follows, rounded up to this many pixels.
    """

    coarse: str
    fine: str
    skeleton: Skeleton
    nms_kernel: Positive = 5
    min_peak: Unit = 0.1
    max_tag_distance: Annotated[float, Meta(gt=0)] = 1.0
    reach: Annotated[float, Meta(gt=0)] | None = None
    max_people: Positive = 30
    long_side_multiple: Positive = 64


class LookSpec(Part, frozen=True, omit_defaults=True):
    """One of several looks of a detector at the same image.

    Attributes:
        width: Of the input, in pixels.
        height: Of the input, in pixels.
        mirrored: Left and right exchanged; boxes come back as if they were not.
    """

    width: Positive
    height: Positive
    mirrored: bool = False

    @property
    def size(self) -> Size:
        """Width and height together."""
        return Size(self.width, self.height)


class DetectorSpec(Part, frozen=True, tag="detector", tag_field="task", omit_defaults=True):
    """A whole image in, person boxes out.

    Attributes:
        style: What the outputs mean. `"persondet"`, our own: `(1, 5, h, w)` a level, a logit
            and the logarithms of the distances to the edges in strides.
        outputs: Their names, in the order the style wants.
        fill: BGR colour beside the image.
        max_iou: A box overlapping a better one by more is dropped.
        strides: Input pixels a cell of each level; none for boxes that the graph has decoded.
        placement: The image's place in the input: shrunk to fit in the `"centre"` or in the
            top left `"corner"`, or drawn out over all of it (`"stretch"`).
        person: Index of the class that is people.
        looks: How a network of free size looks at an image, if not once in the size of `input`;
            what the looks find is fused (`fusion.fuse`).
    """

    style: DetectorStyle
    outputs: Annotated[tuple[str, ...], Meta(min_length=1)]
    fill: tuple[int, int, int]
    max_iou: Unit
    strides: tuple[Positive, ...] = ()
    placement: Literal["centre", "corner", "stretch"] = "centre"
    person: Annotated[int, Meta(ge=0)] = 0
    looks: tuple[LookSpec, ...] = ()

    def __post_init__(self) -> None:
        levels, count = len(self.strides), len(self.outputs)
        match self.style:
            case "persondet":
                fits = count == levels
            case YoloxStyle() | FastestdetStyle():
                fits = count == 1 and levels > 0
            case GflStyle():
                fits = levels > 0 and count in (1, 2 * levels)
            case RtmdetStyle():
                fits = levels > 0 and count == 2 * levels
            case DecodedStyle():
                fits = count <= 3
        if not fits:
            raise ValueError(
                f"{count} `outputs` and {levels} `strides` do not fit the style "
                f"'{style_name(self.style)}'"
            )


class QuantizationSpec(Part, frozen=True):
    """How a file was made INT8, so that a runtime can tell where it is exact.

    Files of others say `scheme="other"` and 0 calibration images: not known.

    Attributes:
        scheme: Number formats of activations and weights.
        method: What was done, in words.
        calibration_images: How many.
        float_layers: Nodes left in float.
        gate: Whether the exporter's accuracy gate let the file pass, or somebody overruled it.
    """

    scheme: Literal["u8s8", "u8s8-reduced", "s8s8", "other"]
    method: str
    calibration_images: Annotated[int, Meta(ge=0)]
    float_layers: tuple[str, ...] = ()
    gate: Literal["passed", "forced", "not run"] = "not run"


class Training(Part, frozen=True):
    """What the weights were trained on and by."""

    data: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    licence: str = ""


class Manifest(Part, frozen=True):
    """Everything a runtime must know about a model file.

    Attributes:
        schema: Version of this structure.
        name: The model's name, such as `"lrpose-s"`.
        precision: What the weights are.
        input: The input tensor.
        model: The task and its decoding.
        quantization: How INT8 was made; None for float files.
        training: Where the weights come from.
        parity: Figures the exporter measured when it wrote the file.
    """

    schema: int
    name: str
    precision: Literal["fp32", "int8"]
    input: InputSpec
    model: TopDownSpec | BottomUpSpec | DetectorSpec
    quantization: QuantizationSpec | None = None
    training: Training = Training()
    parity: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.precision == "int8") != (self.quantization is not None):
            raise ValueError("`quantization` must be there for int8 and only for int8")


def encode(manifest: Manifest) -> str:
    """JSON text of a manifest, the same bytes for the same content."""
    return msgspec.json.encode(manifest, order="deterministic").decode()


def parse(text: str | bytes) -> Manifest:
    """Read and validate a manifest.

    Raises:
        ManifestError: Not JSON, a field is missing, unknown or mistyped, or the schema is newer.
    """
    try:
        version = msgspec.json.decode(text, type=_Version).schema
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ManifestError(f"the manifest is not a litepose-edge manifest: {exc}") from exc
    if version != SCHEMA:
        raise ManifestError(
            f"the manifest has schema {version}, this litepose-edge reads schema {SCHEMA}; "
            "upgrade litepose-edge or export the model again"
        )
    try:
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as exc:
        raise ManifestError(f"the manifest is invalid: {exc}") from exc


def from_metadata(metadata: dict[str, str], path: object) -> Manifest:
    """The manifest among an ONNX file's metadata.

    Raises:
        ManifestError: There is none, or it is invalid.
    """
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise ManifestError(
            f"{path} carries no manifest (metadata '{METADATA_KEY}') and none lies beside it: "
            "export it with litepose-export, or describe it with litepose-edge adopt"
        )
    return parse(text)


def output_names(manifest: Manifest) -> tuple[str, ...]:
    """The graph's outputs that decoding reads."""
    match manifest.model:
        case TopDownSpec(simcc=SimccSpec(x=x, y=y)):
            return (x, y)
        case TopDownSpec(heatmaps=HeatmapSpec(output=name)):
            return (name,)
        case TopDownSpec(regression=RegressionSpec(output=name)):
            return (name,)
        case BottomUpSpec(coarse=coarse, fine=fine):
            return (coarse, fine)
        case DetectorSpec(outputs=outputs):
            return outputs
    raise AssertionError("a task without outputs")


def to_builtins(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain dicts and lists, for printing."""
    return dict(msgspec.to_builtins(manifest))


class _Version(msgspec.Struct):
    schema: int
