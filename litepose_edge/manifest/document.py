"""The manifest a model file carries: what goes in, what comes out, how it was made.

The JSON lies in the ONNX metadata under `METADATA_KEY`, or beside a file we did not write.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from litepose_edge.errors import ManifestError
from litepose_edge.manifest.checks import check_json, shortened
from litepose_edge.manifest.heads import HeatmapSpec, RegressionSpec, SimccSpec
from litepose_edge.manifest.one_stage import OneStageSpec
from litepose_edge.manifest.parts import Part
from litepose_edge.manifest.tasks import BottomUpSpec, DetectorSpec, InputSpec, TopDownSpec

METADATA_KEY = "litepose_edge"
SCHEMA = 1
Task = TopDownSpec | BottomUpSpec | OneStageSpec | DetectorSpec


class QuantizationSpec(Part, frozen=True):
    """How a file was made INT8, so that a runtime can tell where it is exact.

    Files of others say `scheme="other"` and 0 calibration images: not known.

    Attributes:
        scheme: Number formats of activations and weights.
        method: What was done, in words.
        calibration_images: How many.
        float_layers: Nodes left in float.
        gate: Whether the exporter's accuracy gate let the file pass, found it within the bounds on
            too few people to judge, or was overruled.
        bounds: What the gate allowed, by name.
        intervals: Where the gate's figures lie with a confidence of 95 %, by name.
    """

    scheme: Literal["u8s8", "u8s8-reduced", "s8s8", "other"]
    method: str
    calibration_images: Annotated[int, Meta(ge=0)]
    float_layers: tuple[str, ...] = ()
    gate: Literal["passed", "too few", "forced", "not run"] = "not run"
    bounds: dict[str, float] = msgspec.field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)


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
        parity: Figures the exporter measured when it wrote the file, and the `threshold` that it
            was given.
    """

    schema: int
    name: str
    precision: Literal["fp32", "int8"]
    input: InputSpec
    model: Task
    quantization: QuantizationSpec | None = None
    training: Training = Training()
    parity: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.precision == "int8") != (self.quantization is not None):
            raise ValueError("`quantization` must be there for int8 and only for int8")

    @property
    def finds_people(self) -> bool:
        """Whether the network finds people with their keypoints in whole images, without boxes."""
        return isinstance(self.model, BottomUpSpec | OneStageSpec)


def encode_manifest(manifest: Manifest) -> str:
    """JSON text of a manifest, the same bytes for the same content."""
    return msgspec.json.encode(manifest, order="deterministic").decode()


def parse_manifest(text: str | bytes) -> Manifest:
    """Read and validate a manifest.

    Raises:
        ManifestError: Not JSON, a field is missing, unknown, mistyped, out of its bounds or at odds
            with another, or the schema is newer.
    """
    try:
        text = check_json(text)
        version = msgspec.json.decode(text, type=_Version).schema
    except (msgspec.DecodeError, ValueError) as exc:
        raise ManifestError(
            f"the manifest is not a litepose-edge manifest: {shortened(exc)}"
        ) from exc
    if version != SCHEMA:
        raise ManifestError(
            f"the manifest has schema {version}, this litepose-edge reads schema {SCHEMA}; "
            "upgrade litepose-edge or export the model again"
        )
    try:
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as exc:
        raise ManifestError(f"the manifest is invalid: {shortened(exc)}") from exc


def manifest_from_metadata(metadata: dict[str, str], path: object) -> Manifest:
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
    return parse_manifest(text)


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
        case OneStageSpec(outputs=outputs) | DetectorSpec(outputs=outputs):
            return outputs
    raise AssertionError("a task without outputs")


def manifest_to_builtins(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain dicts and lists, for printing."""
    return dict(msgspec.to_builtins(manifest))


class _Version(msgspec.Struct):
    schema: int
