"""The one-stage task: a whole image in, boxes and keypoints of all people out of one network."""

from typing import Annotated, Literal

from msgspec import Meta

from litepose_edge.manifest.checks import check_skeleton, check_unique
from litepose_edge.manifest.detector_heads import format_name
from litepose_edge.manifest.parts import MIN_KEYPOINT_SCORE, Level, Part, Unit
from litepose_edge.skeletons import Skeleton

Index = Annotated[int, Meta(ge=0, le=100_000)]


class YoloPoseFormat(Part, frozen=True, tag="yolo-pose", tag_field="kind", omit_defaults=True):
    """YOLO's pose head, its boxes and keypoints decoded to places in the input.

    Raw: one output `(1, 4 + classes + 3 * K, N)`, a column a candidate: middle, width and height,
    class scores, then x, y and score of each keypoint; candidates overlap. End to end: one output
    `(1, N, 6 + 3 * K)`, a row a person: edges, score, class, keypoints; the graph has suppressed
    duplicates, and rows of low score fill the table up.

    Attributes:
        classes: How many the raw form has. All of them have the one keypoint set.
        person: Index of the class that is people; None: every class is.
        end_to_end: Which of the two forms it is.
        unit: `"pixels"` of the input, or `"image"`: from 0 to 1 across it, as tflite files have it.
    """

    classes: Annotated[int, Meta(ge=1, le=100_000)] = 1
    person: Index | None = None
    end_to_end: bool = False
    unit: Literal["pixels", "image"] = "pixels"


class RtmoFormat(Part, frozen=True, tag="rtmo", tag_field="kind"):
    """RTMO as MMPose exports it, duplicates suppressed in the graph (arXiv 2312.07526).

    Outputs: `(1, N, 5)`, edges and score of each person in pixels of the input, and
    `(1, N, K, 3)`, x, y and score of their keypoints.
    """


OneStageFormat = YoloPoseFormat | RtmoFormat


class OneStageSpec(Part, frozen=True, tag="onestage", tag_field="task", omit_defaults=True):
    """A whole image in, boxes and keypoints of all people out.

    Attributes:
        output_format: What the outputs mean.
        outputs: Their names, in the order the format wants.
        skeleton: The keypoint set.
        fill: BGR colour beside the image.
        max_iou: Of the raw form: a person whose box overlaps a better one by more is dropped.
        placement: The image's place in the input, shrunk to fit: in the `"centre"` or in the top
            left `"corner"`.
        min_keypoint_score: A keypoint of at least this score is visible (`Poses.visible`).
    """

    output_format: OneStageFormat
    outputs: Annotated[tuple[str, ...], Meta(min_length=1, max_length=2)]
    skeleton: Skeleton
    fill: tuple[Level, Level, Level]
    max_iou: Unit = 0.7
    placement: Literal["centre", "corner"] = "centre"
    min_keypoint_score: Unit = MIN_KEYPOINT_SCORE

    def __post_init__(self) -> None:
        check_unique("outputs", self.outputs)
        check_skeleton(self.skeleton)
        wanted = 2 if isinstance(self.output_format, RtmoFormat) else 1
        if len(self.outputs) != wanted:
            raise ValueError(
                f"the format '{format_name(self.output_format)}' reads {wanted} `outputs`, got "
                f"{len(self.outputs)}"
            )
        match self.output_format:
            case YoloPoseFormat(end_to_end=False, classes=classes, person=int(person)):
                if person >= classes:
                    raise ValueError(
                        f"`person` must be one of {classes} classes, counted from 0, got {person}"
                    )
