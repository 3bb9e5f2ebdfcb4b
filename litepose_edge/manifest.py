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

METADATA_KEY = "litepose_edge"
SCHEMA = 1

Activation = Literal["linear", "sigmoid"]
Alignment = Literal["centre", "corner", "udp"]
Refinement = Literal["dark", "dark-udp", "quarter", "argmax"]
Positive = Annotated[int, Meta(gt=0)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Triple = tuple[float, float, float]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Typed and strict: an unknown field is a typo or a newer file, both worth an error."""


class InputSpec(_Part, frozen=True):
    """How pixels become the network's input: `(pixel - mean) / std` on 0..255 values.

    With `dtype="uint8"` the graph does that itself: it takes `(N, H, W, 3)` uint8 BGR frames as
    they are.
    """

    width: Positive
    height: Positive
    colour: Literal["rgb", "bgr"]
    mean: Triple
    std: Triple
    dtype: Literal["float32", "uint8"] = "float32"

    @property
    def size(self) -> Size:
        """Width and height together."""
        return Size(self.width, self.height)


class HeatmapSpec(_Part, frozen=True):
    """How a pose network's maps become keypoints."""

    output: str
    activation: Activation
    alignment: Alignment
    refinement: Refinement
    blur_kernel: Positive = 3


class TopDownSpec(_Part, frozen=True, tag="topdown", tag_field="task"):
    """One person's crop in, one heatmap a keypoint out."""

    padding: Annotated[float, Meta(ge=1)]
    heatmaps: HeatmapSpec
    skeleton: Skeleton


class BottomUpSpec(_Part, frozen=True, tag="bottomup", tag_field="task"):
    """A whole image in; heatmaps and associative-embedding tags of everybody out.

    Attributes:
        coarse: Output of K heatmaps followed by K tag maps.
        fine: Output of K heatmaps at twice its resolution.
        skeleton: The keypoint set.
        nms_kernel: Odd width of the window in which a peak must be the largest, in cells.
        min_peak: Peaks below are no keypoints.
        max_tag_distance: A keypoint joins a person whose mean tag is nearer than this.
        max_people: At most so many people, and candidates for each keypoint.
        long_side_multiple: The published input policy: the short side becomes the network's, the
            long side follows, rounded up to this many pixels.
    """

    coarse: str
    fine: str
    skeleton: Skeleton
    nms_kernel: Positive = 5
    min_peak: Unit = 0.1
    max_tag_distance: Annotated[float, Meta(gt=0)] = 1.0
    max_people: Positive = 30
    long_side_multiple: Positive = 64


class DetectorSpec(_Part, frozen=True, tag="detector", tag_field="task"):
    """A whole image in, person boxes out."""

    style: Literal["persondet"]
    outputs: tuple[str, ...]
    strides: tuple[Positive, ...]
    fill: tuple[int, int, int]
    max_iou: Unit


class QuantizationSpec(_Part, frozen=True):
    """How a file was made INT8, so that a runtime can tell where it is exact."""

    scheme: Literal["u8s8", "u8s8-reduced", "s8s8"]
    method: str
    calibration_images: Positive
    float_layers: tuple[str, ...] = ()


class Training(_Part, frozen=True):
    """What the weights were trained on and by."""

    data: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    licence: str = ""


class Manifest(_Part, frozen=True):
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
    parity: dict[str, float] = {}

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
            f"{path} carries no manifest (metadata '{METADATA_KEY}'): "
            "export it with litepose-export"
        )
    return parse(text)


def to_builtins(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain dicts and lists, for printing."""
    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    return plain


class _Version(msgspec.Struct):
    schema: int
