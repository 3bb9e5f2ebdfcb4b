"""`litepose-export export`: a checkpoint to a verified float ONNX file."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

import litepose_export
from litepose_edge.atomic_files import check_targets, read_file
from litepose_edge.cli.options import Images, finite
from litepose_edge.errors import ManifestError
from litepose_edge.manifest import parse_manifest
from litepose_export.cli.console import (
    JsonReport,
    importable_here,
    print_report,
    requires,
    spinner,
)
from litepose_export.cli.given_options import refuse_unread_images
from litepose_export.cli.quantization.gate import photographs


class ColourName(str, Enum):
    """Channel orders."""

    RGB = "rgb"
    BGR = "bgr"


def export(
    ctx: typer.Context,
    network: Annotated[
        str,
        typer.Argument(
            help="One of `litepose-export list`, the .json of a search, or your own: "
            "my_package.nets:build."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Training checkpoint, bare state dict or safetensors.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Of your own network; see `litepose-export manifest`.")
    ] = None,
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
    images: Images = None,
    dev: Annotated[
        Path | None,
        typer.Option(
            help="COCO JSON of people not trained on: measure the thresholds in the manifest on "
            "them; one person's crops only. Unless given: those the run measured."
        ),
    ] = None,
    released: Annotated[
        bool,
        typer.Option("--released", help="LRPose: thresholds of the released network of that name."),
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            min=0.01,
            max=0.99,
            help="Detector, LRPose: score that shall become 0.3; LitePose: least peak.",
        ),
    ] = None,
    max_join_distance: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            min=0.01,
            help="LitePose: how far, by the short side, keypoints join people.",
        ),
    ] = None,
    as_json: JsonReport = False,
) -> None:
    """Export a checkpoint to a float ONNX file that provably computes the same."""
    described = None if manifest is None else parse_manifest(read_text(manifest))
    if ":" not in network and not network.endswith(".json"):
        with requires("export"):
            from litepose_export.models.networks import CATALOGUE
        names = [known.name for known in CATALOGUE]
        if network not in names:
            raise typer.BadParameter(f"no network '{network}'; there are: {', '.join(names)}")
        if checkpoint is None:
            raise typer.BadParameter("a network of the catalogue needs --checkpoint")
    if released and dev is not None:
        raise typer.BadParameter("--dev measures thresholds, --released states them: choose one")
    refuse_unread_images(ctx, samples, dev)
    check_targets(out, sources=(checkpoint, manifest))
    with spinner() as step, importable_here():
        report = litepose_export.export(
            network,
            out,
            described,
            checkpoint=checkpoint,
            samples=None if samples is None else photographs(samples, images),
            width=width,
            height=height,
            colour=colour.value if colour else None,
            dynamic_batch=dynamic_batch,
            dynamic_size=dynamic_size,
            uint8_input=uint8_input,
            rewrite_deconv=rewrite_deconv,
            float16_storage=float16_storage,
            threshold=threshold,
            max_join_distance=max_join_distance,
            dev=None if dev is None else photographs(dev, images),
            released=released,
            progress=step,
        )
    print_report(report.to_dict(), as_json=as_json)


def read_text(path: Path) -> bytes:
    """The bytes of a manifest's file."""
    try:
        return read_file(path)
    except OSError as exc:
        raise ManifestError(f"cannot read the manifest {path}: {exc.strerror}") from exc
