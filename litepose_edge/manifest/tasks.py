"""The network's input and its task: top-down pose, bottom-up pose, or detection."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from litepose_edge.geometry import Size
from litepose_edge.manifest.checks import check_odd, check_skeleton, check_unique
from litepose_edge.manifest.detector_heads import (
    DecodedFormat,
    DetectorFormat,
    FastestdetFormat,
    GflFormat,
    RtmdetFormat,
    YoloxFormat,
    format_name,
)
from litepose_edge.manifest.heads import (
    HeatmapSpec,
    RegressionSpec,
    ScoreCalibration,
    SimccSpec,
)
from litepose_edge.manifest.parts import (
    MIN_KEYPOINT_SCORE,
    Deviations,
    Level,
    Means,
    Part,
    Side,
    Stride,
    Unit,
    Window,
)
from litepose_edge.skeletons import Skeleton


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

    width: Side
    height: Side
    colour: Literal["rgb", "bgr"]
    mean: Means
    std: Deviations
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


class TopDownSpec(Part, frozen=True, tag="topdown", tag_field="task", omit_defaults=True):
    """One person's crop in, one place a keypoint out, by one of three kinds of head.

    Attributes:
        padding: Factor by which a box grows before it is cropped.
        skeleton: The keypoint set.
        heatmaps, simcc, regression: The head: a map a keypoint, x and y classified, coordinates.
        score_calibration: Makes probabilities of the keypoint scores that are reported; None
            leaves them as decoded. Pose scores are of decoded ones, which rank people better.
        min_pose_score: Pose score (`person_filter.pose_scores`) that a person found with a box
            score of 0.3 needs for a confidence of 0.3, the default `min_score`. Better boxes need
            less, worse ones more (`person_filter.person_confidence`).
        min_keypoint_score: A keypoint of at least this reported score is visible
            (`Poses.visible`): the score at which half of the keypoints are right.
        flip_test_below: Pose score below which a crop is averaged with its mirror image.
        flip_test_below_detected: The same for people whom a detector found, if it is more.
    """

    padding: Annotated[float, Meta(ge=1, le=10)]
    skeleton: Skeleton
    heatmaps: HeatmapSpec | None = None
    simcc: SimccSpec | None = None
    regression: RegressionSpec | None = None
    score_calibration: ScoreCalibration | None = None
    min_pose_score: Unit = 0.5
    min_keypoint_score: Unit = MIN_KEYPOINT_SCORE
    flip_test_below: Unit = 0.0
    flip_test_below_detected: Unit = 0.0

    def __post_init__(self) -> None:
        if sum(head is not None for head in (self.heatmaps, self.simcc, self.regression)) != 1:
            raise ValueError("exactly one of `heatmaps`, `simcc`, `regression` must be there")
        check_skeleton(self.skeleton)

    @property
    def head(self) -> HeatmapSpec | SimccSpec | RegressionSpec:
        """The one head."""
        head = self.heatmaps or self.simcc or self.regression
        assert head is not None
        return head


class BottomUpSpec(Part, frozen=True, tag="bottomup", tag_field="task"):
    """A whole image in; heatmaps and associative-embedding tags of all people out.

    Attributes:
        coarse: Output of K heatmaps followed by K tag maps.
        fine: Output of K heatmaps at twice its resolution.
        skeleton: The keypoint set.
        nms_kernel: Odd width of the window in which a peak must be the largest, in cells.
        min_peak: Peaks below are no keypoints.
        max_tag_distance: A keypoint joins a person whose mean tag is nearer than this.
        max_join_distance: Part of the maps' short side. A keypoint joins a person whose nearest
            keypoint is no farther than this, or than the person's own extent so far; None, as
            published, has it join at any distance.
        max_people: At most so many people; twice as many candidates for each keypoint.
        long_side_multiple: The published input policy: the short side becomes the network's, the
            long side follows, rounded up to this many pixels.
        min_keypoint_score: As of a top-down network.
    """

    coarse: str
    fine: str
    skeleton: Skeleton
    nms_kernel: Window = 5
    min_peak: Unit = 0.1
    max_tag_distance: Annotated[float, Meta(gt=0, le=1e6)] = 1.0
    max_join_distance: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    max_people: Annotated[int, Meta(ge=1, le=1000)] = 30
    long_side_multiple: Annotated[int, Meta(ge=1, le=1024)] = 64
    min_keypoint_score: Unit = MIN_KEYPOINT_SCORE

    def __post_init__(self) -> None:
        check_odd("nms_kernel", self.nms_kernel)
        if self.coarse == self.fine:
            raise ValueError(f"`coarse` and `fine` must be two outputs, both are '{self.fine}'")
        check_skeleton(self.skeleton)


class TestTimeView(Part, frozen=True, omit_defaults=True):
    """One of several forward passes of a detector over the same image.

    Attributes:
        width: Of the input, in pixels.
        height: Of the input, in pixels.
        mirrored: Left and right exchanged; boxes come back as if they were not.
    """

    # Its name begins like a test's; pytest must not collect it.
    __test__: ClassVar[bool] = False

    width: Side
    height: Side
    mirrored: bool = False

    @property
    def size(self) -> Size:
        """Width and height together."""
        return Size(self.width, self.height)


class DetectorSpec(Part, frozen=True, tag="detector", tag_field="task", omit_defaults=True):
    """A whole image in, person boxes out.

    Attributes:
        output_format: What the outputs mean. `"persondet"`, our own: `(1, 5, h, w)` a level, a
            logit and the logarithms of the distances to the edges in strides.
        outputs: Their names, in the order the format wants.
        fill: BGR colour beside the image.
        max_iou: A box overlapping a better one by more is dropped.
        strides: Input pixels a cell of each level; none for boxes that the graph has decoded.
        placement: The image's place in the input: shrunk to fit in the `"centre"` or in the
            top left `"corner"`, or drawn out over all of it (`"stretch"`).
        person: Index of the class that is people.
        views: Test-time augmentation of a network of free size: the inputs it runs on, if not
            the one of `input`; their boxes are fused (`box_fusion.fuse`).
    """

    output_format: DetectorFormat
    outputs: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    fill: tuple[Level, Level, Level]
    max_iou: Unit
    strides: Annotated[tuple[Stride, ...], Meta(max_length=32)] = ()
    placement: Literal["centre", "corner", "stretch"] = "centre"
    person: Annotated[int, Meta(ge=0, le=100_000)] = 0
    views: Annotated[tuple[TestTimeView, ...], Meta(max_length=16)] = ()

    def __post_init__(self) -> None:
        check_unique("outputs", self.outputs)
        levels, count = len(self.strides), len(self.outputs)
        match self.output_format:
            case "persondet":
                fits = count == levels
            case YoloxFormat() | FastestdetFormat():
                fits = count == 1 and levels > 0
            case GflFormat():
                fits = levels > 0 and count in (1, 2 * levels)
            case RtmdetFormat():
                fits = levels > 0 and count == 2 * levels
            case DecodedFormat(transposed=transposed):
                fits = count <= 3
                unknown = [name for name in transposed if name not in self.outputs]
                if unknown:
                    raise ValueError(f"`transposed` names '{unknown[0]}', which `outputs` does not")
        if not fits:
            raise ValueError(
                f"{count} `outputs` and {levels} `strides` do not fit the style "
                f"'{format_name(self.output_format)}'"
            )
