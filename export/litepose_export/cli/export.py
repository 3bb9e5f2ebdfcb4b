"""`litepose-export export`: a checkpoint to a verified float ONNX file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.cli.console import (
    JsonReport,
    print_report,
    requires,
    spinner,
)


class ColourName(StrEnum):
    """Channel orders."""

    RGB = "rgb"
    BGR = "bgr"


def export(
    network: Annotated[str, typer.Argument(help="One of `litepose-export list`.")],
    checkpoint: Annotated[Path, typer.Option(help="Training checkpoint or bare state dict.")],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    height: Annotated[int | None, typer.Option(min=1, help="Input height, if not its own.")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Input width, if not its own.")] = None,
    dynamic_batch: Annotated[
        bool, typer.Option("--dynamic-batch", help="Any number of crops at once; otherwise one.")
    ] = False,
    dynamic_size: Annotated[
        bool,
        typer.Option("--dynamic-size", help="LitePose, PersonDet: of any height and width."),
    ] = False,
    uint8_input: Annotated[
        bool, typer.Option("--uint8-input", help="Take (N, H, W, 3) uint8 BGR pixels.")
    ] = False,
    rewrite_deconv: Annotated[
        bool,
        typer.Option("--rewrite-deconv", help="Deconvolutions in a form that INT8 can run."),
    ] = False,
    float16_storage: Annotated[
        bool, typer.Option("--float16-storage", help="Half the file; computes in float32.")
    ] = False,
    colour: Annotated[
        ColourName | None, typer.Option(help="Channel order the weights were trained with.")
    ] = None,
    samples: Annotated[
        Path | None, typer.Option(help="COCO JSON whose photographs check the parity; else noise.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Detector, LRPose: score that shall become 0.3; LitePose: least peak.",
        ),
    ] = None,
    max_join_distance: Annotated[
        float | None,
        typer.Option(min=0.01, help="LitePose: how far, by the short side, keypoints join people."),
    ] = None,
    as_json: JsonReport = False,
) -> None:
    """Export a checkpoint to a float ONNX file that provably computes the same."""
    with requires("export"):
        from litepose_export.conversion import export as conversion
        from litepose_export.conversion.to_onnx import GraphOptions
        from litepose_export.models.networks import CATALOGUE
    names = [known.name for known in CATALOGUE]
    if network not in names:
        raise typer.BadParameter(f"no network '{network}'; there are: {', '.join(names)}")
    options = conversion.ExportOptions(
        width=width,
        height=height,
        colour=colour.value if colour else None,
        graph=GraphOptions(
            dynamic_batch=dynamic_batch,
            dynamic_size=dynamic_size,
            uint8=uint8_input,
            rewrite_deconvolutions=rewrite_deconv,
        ),
        half_storage=float16_storage,
        threshold=threshold,
        max_join_distance=max_join_distance,
    )
    with spinner() as step:
        report = conversion.export(
            network,
            checkpoint,
            out,
            options,
            samples=read_coco(samples) if samples else None,
            step=step,
        )
    print_report(report.to_dict(), as_json=as_json)
