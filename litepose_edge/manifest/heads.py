"""How a pose network's outputs become keypoints, one struct a kind of head."""

from typing import Annotated, Literal

from msgspec import Meta

from litepose_edge.manifest.checks import check_odd
from litepose_edge.manifest.parts import Activation, Alignment, Part, Refinement, Window

Column = Literal["x", "y", "score"]


class HeatmapSpec(Part, frozen=True):
    """How a pose network's maps become keypoints.

    Attributes:
        output: `(N, K, h, w)`.
        activation: What makes heat in `[0, 1]` of the values.
        alignment: Where cells lie in the input (`decoding.heatmaps.cells_to_input`).
        refinement: How a place between the cells is found (`decoding.heatmaps.decode_heatmaps`).
        blur_kernel: Odd width of the blur of `"dark"` and `"dark-udp"`.
    """

    output: str
    activation: Activation
    alignment: Alignment
    refinement: Refinement
    blur_kernel: Window = 3

    def __post_init__(self) -> None:
        check_odd("blur_kernel", self.blur_kernel)


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
    split_ratio: Annotated[float, Meta(ge=1, le=100)] = 2.0
    activation: Literal["linear", "softmax"] = "linear"
    sigma: Annotated[float, Meta(ge=1e-3, le=1e4)] = 6.0
    window: Window = 5

    def __post_init__(self) -> None:
        check_odd("window", self.window)
        if self.x == self.y:
            raise ValueError(f"`x` and `y` must be two outputs, both are '{self.x}'")


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
            raise ValueError(f"`order` must name x, y and score once each, got {self.order}")


class ScoreCalibration(Part, frozen=True):
    """What makes probabilities of the keypoint scores that decoding gives.

    The log-odds of a score are multiplied by `scale`, then `offset` is added
    (`decoding.score_calibration`).

    Attributes:
        scale: Above 0, so that the order of the scores stays.
        offset: Log-odds added.
    """

    scale: Annotated[float, Meta(ge=1e-3, le=1e3)]
    offset: Annotated[float, Meta(ge=-100, le=100)] = 0.0
