"""What the outputs of person detectors mean, one struct a family of heads."""

from typing import Annotated, Literal

from msgspec import Meta

from litepose_edge.manifest.parts import Activation, Part, Unit

BoxColumn = Literal[
    "x1", "y1", "x2", "y2", "cx", "cy", "w", "h", "score", "objectness", "label", "unused"
]  # fmt: skip
EDGES, MIDDLE = {"x1", "y1", "x2", "y2"}, {"cx", "cy", "w", "h"}


class YoloxFormat(Part, frozen=True, tag="yolox", tag_field="kind"):
    """YOLOX's raw grid: one table `(1, N, 5 + classes)` of all levels' cells.

    Columns: the middle's offset from the cell and the logarithms of width and height, all in
    strides, objectness, class scores. A person's score is objectness times class score.

    Attributes:
        activation: What turns objectness and class values into `[0, 1]`.
    """

    activation: Activation = "linear"


class GflFormat(Part, frozen=True, tag="gfl", tag_field="kind"):
    """Generalized focal loss heads (GFL, NanoDet, PicoDet): distances as distributions.

    Outputs: one table `(1, N, classes + 4 * bins)` of all levels' cells, or the class scores of
    each level followed by the distances of each level, as `(1, n, C)` tables or `(1, C, h, w)`
    maps.

    Attributes:
        bins: Steps of one stride that a distance's distribution is over.
        cell_offset: Where in its cell a point lies, in strides: 0.5 the middle, 0 the corner.
        activation: What turns class values into `[0, 1]`.
    """

    bins: Annotated[int, Meta(ge=2, le=1000)] = 8
    cell_offset: Unit = 0.5
    activation: Activation = "linear"


class RtmdetFormat(Part, frozen=True, tag="rtmdet", tag_field="kind"):
    """Distances to the edges as they are (RTMDet): class scores and distances of each level.

    Outputs: the class scores of each level followed by the distances (left, top, right, bottom)
    of each level, as `(1, C, h, w)` maps or `(1, n, C)` tables.

    Attributes:
        distances: Their unit.
        cell_offset: Where in its cell a point lies, in strides: 0.5 the middle, 0 the corner.
        activation: What turns class values into `[0, 1]`.
    """

    distances: Literal["pixels", "strides"] = "pixels"
    cell_offset: Unit = 0.0
    activation: Activation = "sigmoid"


class FastestdetFormat(Part, frozen=True, tag="fastestdet", tag_field="kind"):
    """FastestDet's one map `(1, 5 + classes, h, w)`: objectness, box, class probabilities.

    The middle is the cell plus the hyperbolic tangent of the first two box values, the size the
    sigmoid of the others as a part of the image; the score is `objectness^.6 * class^.4`.
    """


class DecodedFormat(Part, frozen=True, tag="decoded", tag_field="kind"):
    """Boxes that the graph has decoded, with or without its own non-maximum suppression.

    The first output is a table of boxes, `(1, N, columns)` or `(N, columns)`. Columns after the
    named ones are class scores. If the table holds no scores, the next output does: one number
    or one column a class for each box; if there is one more output, it holds labels.

    Attributes:
        columns: What the table's columns are: edges or `cx cy w h`, then any of `score` (of the
            labelled class), `objectness` (times the class score), `label` and `unused`.
        unit: `"pixels"` of the input, or `"image"`: from 0 to 1 across the input.
        transposed: Outputs whose last axis counts boxes.
        activation: What turns scores into `[0, 1]`.
    """

    columns: tuple[BoxColumn, ...] = ("x1", "y1", "x2", "y2")
    unit: Literal["pixels", "image"] = "pixels"
    transposed: tuple[str, ...] = ()
    activation: Activation = "linear"

    def __post_init__(self) -> None:
        used = [column for column in self.columns if column != "unused"]
        named = set(used)
        if len(named) != len(used):
            raise ValueError("`columns` names one twice")
        if len(named & EDGES) % 4 or len(named & MIDDLE) % 4 or not named & (EDGES | MIDDLE):
            raise ValueError("`columns` must hold x1, y1, x2, y2 or cx, cy, w, h")
        if named & EDGES and named & MIDDLE:
            raise ValueError("`columns` must hold edges or a middle and a size, not both")


DetectorFormat = (
    Literal["persondet"] | YoloxFormat | GflFormat | RtmdetFormat | FastestdetFormat | DecodedFormat
)


def format_name(output_format: str | Part) -> str:
    """What an output format is called."""
    return (
        output_format
        if isinstance(output_format, str)
        else str(output_format.__struct_config__.tag)
    )
