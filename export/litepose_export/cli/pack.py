"""`litepose-export pack`: training people as packed crops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli.console import results
from litepose_edge.cli.options import Images
from litepose_export.cli.console import progress, requires
from litepose_export.cli.training import training_display, two_or_none


def pack(
    data: Annotated[list[Path], typer.Option(help="COCO keypoint JSON; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards, at most 60 MiB each.")],
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Two: the teacher, and a second one that must agree; or none."),
    ] = None,
    images: Images = None,
) -> None:
    """Pack training people as small crops that travel to the machine that trains."""
    with requires("export"):
        from litepose_export.training.runs import pose_data
    teachers = two_or_none(tuple(teacher or ()), "packing")
    with progress() as bar:
        shards = pose_data.pack_people(
            tuple(data), out, teachers, training_display(bar), tuple(images or ())
        )
    for shard in shards:
        results.print(str(shard), markup=False)
