"""Manifests of users' networks that find people and keypoints in one pass."""

from __future__ import annotations

from typing import Literal

from litepose_edge.errors import ManifestError
from litepose_edge.manifest import Manifest, OneStageSpec, Training, YoloPoseFormat
from litepose_edge.manifest.presets import Graph, OutputFormatName, preset
from litepose_edge.skeletons import COCO_17, Skeleton
from litepose_export.models.user_manifests import (
    NOT_STATED,
    Colour,
    Numbers,
    SizeLike,
    checked,
    family_input,
    fitting_values,
    to_size,
)

# Names of the outputs, unless given.
OUTPUTS = {"yolo-pose": ("people",), "rtmo": ("dets", "keypoints")}


def one_stage_manifest(
    name: str,
    *,
    input_size: SizeLike,
    output_format: str = "yolo-pose",
    skeleton: Skeleton = COCO_17,
    colour: Colour | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    classes: int = 1,
    person: int | None = None,
    end_to_end: bool = False,
    unit: Literal["pixels", "image"] = "pixels",
    max_iou: float | None = None,
    outputs: tuple[str, ...] | None = None,
    training: Training = NOT_STATED,
) -> Manifest:
    """Describe a network of a whole image that gives boxes and keypoints of all people.

    Args:
        name: What the model shall be called.
        input_size: Of the input, `(width, height)`.
        output_format: `"yolo-pose"`: one table, `(1, 4 + classes + 3 * K, N)` or end to end
            `(1, N, 6 + 3 * K)`; `"rtmo"`: `(1, N, 5)` boxes with scores
            and `(1, N, K, 3)` keypoints.
        skeleton: The keypoint set, in the order of the columns.
        colour: Order of the input's channels; the family's unless given.
        mean: Subtracted from each channel, of values from 0 to 255; the family's unless given.
        std: Each channel is divided by it; the family's unless given.
        classes: How many `"yolo-pose"` has.
        person: Index of the class that is people; every class unless given.
        end_to_end: Whether the graph of `"yolo-pose"` suppresses duplicates.
        unit: Of its boxes and keypoints: pixels of the input, or from 0 to 1 across it.
        max_iou: A person whose box overlaps a better one by more is dropped; 0.7 unless given.
        outputs: Names of the outputs, in the order of the format.
        training: What the weights were trained on and by.

    Raises:
        ManifestError: No such format, or a value is out of its range.
    """
    size = to_size(input_size)
    if output_format not in OUTPUTS:
        raise ManifestError(
            f"expected an output format of {', '.join(OUTPUTS)}, got {output_format!r}"
        )
    graph = Graph(
        name, size, uint8=False, nhwc=False, skeleton=skeleton, end_to_end=end_to_end,
        outputs=outputs or OUTPUTS[output_format],
    )  # fmt: skip
    try:
        found = preset(OutputFormatName(output_format), graph)
    except ValueError as exc:
        raise ManifestError(f"output format {output_format!r} does not fit: {exc}") from exc
    own = found.model
    assert isinstance(own, OneStageSpec)
    head = own.output_format
    if isinstance(head, YoloPoseFormat):
        head = YoloPoseFormat(classes=classes, person=person, end_to_end=end_to_end, unit=unit)
    elif classes != 1 or person is not None or end_to_end or unit != "pixels":
        raise ManifestError(
            "`classes`, `person`, `end_to_end` and `unit` are of the format 'yolo-pose'"
        )
    with fitting_values():
        model = OneStageSpec(
            output_format=head,
            outputs=own.outputs,
            skeleton=skeleton,
            fill=own.fill,
            max_iou=own.max_iou if max_iou is None else max_iou,
            placement=own.placement,
        )
    return checked(name, family_input(size, found.input, colour, mean, std), model, training)
