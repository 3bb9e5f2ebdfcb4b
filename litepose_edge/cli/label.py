"""`litepose-edge label`: the people of an archive, in shards that a later run continues."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli import options
from litepose_edge.cli.console import SOME_FAILED, messages, results
from litepose_edge.cli.options import BackendName
from litepose_edge.scale.options import LabelOptions

EXAMPLES = (
    "litepose-edge label photos/ clips/*.mp4 --out labels/",
    "litepose-edge label --from list.txt --out labels/ --crops crops/",
    "litepose-edge label 'archive/**/*.mp4' --out labels/ --track --every 2",
    "litepose-edge label s3://bucket/frames --out labels/ --ray auto",
)
OUTPUT, FILMS, WORKERS = "Output", "Films", "Workers"


class FormatName(str, Enum):
    """What a shard is."""

    PARQUET = "parquet"
    COCO = "coco"
    JSONL = "jsonl"


def label(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Images, films, folders of them, patterns (in quotes), URLs; of object stores, "
            "such as s3://, where fsspec and its package for them are installed.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the labels. A second run does what is missing.",
            rich_help_panel=OUTPUT,
        ),
    ] = ...,  # type: ignore[assignment]  # Typer's way to say that it must be given
    lists: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Text file with a file or URL a line, - is stdin; repeatable."),
    ] = None,
    format: Annotated[
        FormatName,
        typer.Option(
            help="parquet: one row a person; coco: labels of images; jsonl: one line a frame.",
            rich_help_panel=OUTPUT,
        ),
    ] = FormatName.PARQUET,
    shard_size: Annotated[
        int,
        typer.Option(
            min=1, max=100_000, help="About so many images a shard.", rich_help_panel=OUTPUT
        ),
    ] = 64,
    crops: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a picture of each person and their COCO labels, for training.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Also redo the shards in which an input failed.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Remove the shards of inputs that nothing names any more.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Only errors: no bar, no closing line.", rich_help_panel=OUTPUT
        ),
    ] = False,
    every: Annotated[
        int, typer.Option(min=1, help="Take every Nth frame only.", rich_help_panel=FILMS)
    ] = 1,
    track: Annotated[
        bool, typer.Option("--track", help="Track people, with ids.", rich_help_panel=FILMS)
    ] = False,
    detect_every: Annotated[
        int,
        typer.Option(
            min=1, help="Tracked: run the detector on every Nth frame taken.",
            rich_help_panel=FILMS,
        ),
    ] = 10,
    smooth: Annotated[
        bool, typer.Option(help="Tracked: smooth the keypoints over time.", rich_help_panel=FILMS)
    ] = True,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, max=1024,
            help="Processes of one thread each, or Ray's actors at most; all CPUs unless given. "
            "0: in this process.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Label on this Ray cluster (extra scale). auto: on the one that runs here, else "
            "on one that is started for the run.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    model: options.Model = "lrpose-s",
    detector: options.Detector = "default",
    detector_size: options.DetectorSize = None,
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    flip_test: options.FlipTest = None,
    min_score: options.MinScore = 0.3,
    max_people: options.MaxPeople = 20,
    max_pixels: options.MaxPixels = 100_000_000,
) -> None:  # fmt: skip
    """Label an archive of images and films: shards that a later run continues.

    What cannot be read is a row of failures.parquet, and the others are done. Needs the extra
    label.
    """
    if not sources and not lists:
        raise typer.BadParameter("name images, folders or films, or give --from")
    if ray is not None and workers == 0:
        raise typer.BadParameter("with --ray there is at least 1", param_hint="--workers")
    from litepose_edge.scale.labelling import label as label_archive

    with _bar(quiet=quiet) as (on_frame, on_start):
        summary = label_archive(
            sources or [],
            out,
            LabelOptions(
                model=model,
                detector=detector,
                detector_size=detector_size,
                backend=backend.value,
                precision=precision.value if precision else None,
                flip_test=flip_test,
                min_score=min_score,
                max_people=max_people,
                max_pixels=max_pixels,
                format=format.value,
                every=every,
                track=track,
                detect_every=detect_every,
                smooth=smooth,
                crops=None if crops is None else str(crops),
                shard_size=shard_size,
            ),
            lists=lists or [],
            workers=workers,
            ray=ray,
            retry_failed=retry_failed,
            prune=prune,
            on_frame=on_frame,
            on_start=on_start,
        )
    if not quiet:
        messages.print(str(summary))
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


@contextlib.contextmanager
def _bar(*, quiet: bool) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """What is told each frame's people, and what runs; a bar where a person reads along."""
    if quiet or not messages.is_terminal:
        yield lambda people: None, lambda text: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn(
            "{task.completed:.0f} frames, {task.fields[people]} people, "
            "{task.fields[rate]:.1f} people a second"
        ),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=messages.rich, transient=True, redirect_stdout=results.is_terminal
    ) as bar:
        task = bar.add_task("label", total=None, people=0, rate=0.0)
        found, began_s = 0, time.monotonic()

        def on_frame(people: int) -> None:
            nonlocal found
            found += people
            rate = found / max(time.monotonic() - began_s, 1e-6)
            bar.update(task, advance=1, people=found, rate=rate)

        yield on_frame, lambda text: bar.console.print(text)
