"""`litepose-export manifest`: what a network of one's own expects, as JSON for `export`."""

from __future__ import annotations

import math
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

import litepose_export
from litepose_edge import Size, Skeleton
from litepose_edge.atomic_files import check_targets, write_file
from litepose_edge.cli.console import results
from litepose_edge.cli.options import finite
from litepose_edge.manifest import Manifest, encode_manifest
from litepose_export.cli.export import ColourName
from litepose_export.cli.given_options import refuse_given


class HeadName(str, Enum):
    """Kinds of head."""

    HEATMAPS = "heatmaps"
    SIMCC = "simcc"
    REGRESSION = "regression"
    BOTTOM_UP = "bottom-up"
    ONE_STAGE = "one-stage"
    DETECTOR = "detector"


class AlignmentName(str, Enum):
    """Where the cells of a heatmap lie."""

    CORNER = "corner"
    CENTRE = "centre"
    UDP = "udp"


class ActivationName(str, Enum):
    """What makes scores of the outputs."""

    LINEAR = "linear"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


class RefinementName(str, Enum):
    """How a place between the cells is found."""

    DARK = "dark"
    DARK_UDP = "dark-udp"
    QUARTER = "quarter"
    ARGMAX = "argmax"
    EXPECTED_OKS = "expected-oks"


# What only some heads read.
OPTIONS = {
    HeadName.HEATMAPS: (
        *("skeleton", "padding", "activation", "alignment"),
        *("refinement", "blur_kernel"),
    ),
    HeadName.SIMCC: ("skeleton", "padding", "activation", "split_ratio"),
    HeadName.REGRESSION: ("skeleton", "padding", "activation", "alignment"),
    HeadName.BOTTOM_UP: ("skeleton",),
    HeadName.ONE_STAGE: ("skeleton", "output_format", "person", "classes"),
    HeadName.DETECTOR: ("output_format", "person"),
}


def manifest(
    ctx: typer.Context,
    head: Annotated[HeadName, typer.Option(help="The kind of head.")],
    size: Annotated[str, typer.Option(help="Input as WIDTHxHEIGHT.")],
    out: Annotated[Path, typer.Option(help="The JSON file to write.")],
    name: Annotated[
        str | None, typer.Option(help="The model's name; that of the file unless given.")
    ] = None,
    skeleton: Annotated[
        Path | None, typer.Option(help="COCO JSON or skeleton JSON; COCO's 17 unless given.")
    ] = None,
    colour: Annotated[
        ColourName | None, typer.Option(help="Order of the input's channels.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="Of each channel, 0 to 255: A,B,C; ImageNet's unless given.")
    ] = None,
    std: Annotated[str | None, typer.Option(help="The same of the deviation.")] = None,
    output: Annotated[
        list[str] | None, typer.Option(help="Names of the outputs, in the order of the head.")
    ] = None,
    alignment: Annotated[
        AlignmentName, typer.Option(help="Where cells of heatmaps, or coordinates, lie.")
    ] = AlignmentName.CORNER,
    activation: Annotated[
        ActivationName, typer.Option(help="What makes scores of the outputs.")
    ] = ActivationName.LINEAR,
    refinement: Annotated[
        RefinementName, typer.Option(help="Heatmaps: how a place between cells is found.")
    ] = RefinementName.DARK,
    blur_kernel: Annotated[int, typer.Option(help="Heatmaps: odd width of DARK's blur.")] = 11,
    split_ratio: Annotated[
        float, typer.Option(callback=finite, help="SimCC: bins an input pixel.")
    ] = 2.0,
    padding: Annotated[
        float,
        typer.Option(callback=finite, help="Factor by which a box grows before it is cropped."),
    ] = 1.25,
    output_format: Annotated[
        str | None,
        typer.Option(help="Detector, one-stage: a format of `litepose-edge adopt`."),
    ] = None,
    person: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Index of the class of people; unless given the detector's first, of a one-stage "
            "network every class.",
        ),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="YOLO-pose: how many classes; one unless given.")
    ] = None,
) -> None:
    """Describe a network of your own for `export my_package.nets:build --manifest`."""
    known = {name for options in OPTIONS.values() for name in options}
    refuse_given(ctx, known.difference(OPTIONS[head]), f"--head {head.value} does not take these")
    check_targets(out, sources=(skeleton,))
    about: dict[str, Any] = {
        "input_size": _size(size),
        "mean": _numbers("--mean", mean),
        "std": _numbers("--std", std),
        **({"colour": colour.value} if colour else {}),
    }
    points: dict[str, Any] = {} if skeleton is None else {"skeleton": Skeleton.from_file(skeleton)}
    called, outputs = name or out.stem, tuple(output or ())
    pose: dict[str, Any] = {**about, **points, "padding": padding, "activation": activation.value}
    made: Manifest
    match head:
        case HeadName.HEATMAPS:
            made = litepose_export.heatmap_manifest(
                called, **pose, **_outputs(outputs, 1), alignment=alignment.value,
                refinement=refinement.value, blur_kernel=blur_kernel,
            )  # fmt: skip
        case HeadName.SIMCC:
            made = litepose_export.simcc_manifest(
                called, **pose, **_outputs(outputs, 2),
                split_ratio=split_ratio,
            )  # fmt: skip
        case HeadName.REGRESSION:
            made = litepose_export.regression_manifest(
                called, **pose, **_outputs(outputs, 1), alignment=alignment.value,

            )  # fmt: skip
        case HeadName.BOTTOM_UP:
            made = litepose_export.bottom_up_manifest(
                called, **about, **points, **_outputs(outputs, 2)
            )
        case HeadName.ONE_STAGE:
            if output_format is None:
                raise typer.BadParameter("a one-stage head needs --output-format yolo-pose or rtmo")
            made = litepose_export.one_stage_manifest(
                called, **about, **points, output_format=output_format,
                **_given(outputs=outputs, person=person, classes=classes),
            )  # fmt: skip
        case HeadName.DETECTOR:
            if output_format is None:
                raise typer.BadParameter("a detector needs --output-format, such as yolox")
            made = litepose_export.detector_manifest(
                called, **about, output_format=output_format,
                **_given(outputs=outputs, person=person),
            )  # fmt: skip
    write_file(out, msgspec.json.format(encode_manifest(made).encode(), indent=2) + b"\n")
    results.print(f"wrote {out}", markup=False)


def _given(**options: Any) -> dict[str, Any]:
    """Those that are not left to the kind of head."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def _outputs(names: tuple[str, ...], count: int) -> dict[str, Any]:
    if not names:
        return {}
    if len(names) != count:
        raise typer.BadParameter(f"this head has {count} --output, got {len(names)}")
    return {"output": names[0]} if count == 1 else {"outputs": names}


def _numbers(option: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise typer.BadParameter(f"{option} takes three numbers A,B,C, got '{text}'")
    return numbers


def _size(text: str) -> Size:
    try:
        return Size(*(int(number) for number in text.lower().split("x")))
    except (ValueError, TypeError) as exc:
        raise typer.BadParameter(f"--size must be WIDTHxHEIGHT, got '{text}'") from exc
