"""`litepose-export pack`: training people as packed crops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli.console import results
from litepose_export.cli.console import (
    check_teachers,
    progress,
    requires,
    training_display,
)


def pack(
    data: Annotated[list[Path], typer.Option(help="COCO keypoint JSON; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards, at most 60 MiB each.")],
    teacher: Annotated[
        list[Path] | None, typer.Option(help="Two: teacher and second opinion, packed as well.")
    ] = None,
) -> None:
    """Pack training people as small crops that travel to the machine that trains."""
    with requires("export"):
        from litepose_export.training.runs import pose, runner
    teachers = tuple(teacher or ())
    check_teachers(teachers, 2, "packing")
    with progress() as bar:
        shards = pose.pack_people(tuple(data), out, teachers, training_display(runner, bar))
    for shard in shards:
        results.print(str(shard), markup=False)
