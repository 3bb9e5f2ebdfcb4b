"""`litepose-edge predict`: keypoints of the people in images, films and cameras."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.atomic_files import check_targets
from litepose_edge.cli import options
from litepose_edge.cli.console import SOME_FAILED, json_lines, messages, print_error, results
from litepose_edge.cli.options import BackendName
from litepose_edge.cli.predict.drawing import NOTHING, PARTS, USUAL, drawn_parts
from litepose_edge.cli.predict.films import FilmOptions, predict_film
from litepose_edge.cli.predict.inputs import Input, named_inputs
from litepose_edge.cli.predict.pictures import predict_pictures
from litepose_edge.cli.predict.progress import Tally
from litepose_edge.cli.predict.targets import drawing_targets
from litepose_edge.errors import SourceError
from litepose_edge.estimator import Estimator
from litepose_edge.sources.opening import TIMEOUT_S

EXAMPLES = (
    "litepose-edge predict photo.jpg --save drawn.jpg",
    "litepose-edge predict photos/ more/*.png --save drawn/ --json people.jsonl",
    "litepose-edge predict clip.mp4 --save out.mp4 --draw ids,trails",
    "litepose-edge predict rtsp://camera/1 --reconnect --json",
    "litepose-edge predict - < photo.jpg",
)
OUTPUT = "Output"


def predict(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Images, folders, patterns, films, camera numbers or devices, URLs, GStreamer "
            "pipelines (gst:...); - is stdin.",
        ),
    ],
    save: Annotated[
        Path | None,
        typer.Option(
            help="Save the drawings: a file for one input, such as out.png or out.mp4, or a "
            "folder, where names are kept.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    draw: Annotated[
        str,
        typer.Option(
            callback=drawn_parts,
            help=f"Besides the skeletons, with commas: {', '.join(PARTS)}; or {NOTHING}.",
            rich_help_panel=OUTPUT,
        ),
    ] = USUAL,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one line of JSON per image or frame; --json FILE.jsonl writes them.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            help="Write JSON lines into this file; --json FILE.jsonl is short for it.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Films: show them in a window.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Only results and errors: no bar, no closing line.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    detect_every: options.DetectEvery = 10,
    smooth: options.Smooth = True,
    sound: Annotated[
        bool,
        typer.Option(
            "--sound", help="Keep the sound in the saved film (extra video).",
            rich_help_panel=options.STREAMS,
        ),
    ] = False,
    reconnect: Annotated[
        bool,
        typer.Option(
            "--reconnect", help="Open cameras and streams again when they stop.",
            rich_help_panel=options.STREAMS,
        ),
    ] = False,
    timeout: options.Timeout = TIMEOUT_S,
    drop: Annotated[
        bool,
        typer.Option(
            help="Drop frames of cameras that come too fast, or make them wait.",
            rich_help_panel=options.STREAMS,
        ),
    ] = True,
    transport: options.Transport = None,
    low_latency: options.LowLatency = False,
    model: options.Model = "lrpose-s",
    detector: options.Detector = "default",
    detector_size: options.DetectorSize = None,
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    threads: options.Threads = None,
    flip_test: options.FlipTest = None,
    min_score: options.MinScore = 0.3,
    max_people: options.MaxPeople = 20,
    max_pixels: options.MaxPixels = 100_000_000,
) -> None:  # fmt: skip
    """Find people in images, and track them in films.

    Cameras and streams are tracked like films. Photographs are turned upright by their EXIF
    orientation. An input that fails is an error, and the others are done.
    """
    with contextlib.ExitStack() as stack:
        inputs, failures = stack.enter_context(named_inputs(sources))
        for failure in failures:
            print_error(failure)
        tally = Tally(failed=len(failures))
        targets = drawing_targets(inputs, save) if save is not None and inputs else None
        read = [one.source for one in inputs if one.file]
        check_targets(json_file, *(targets or ())[:1], sources=[*read, model, detector])
        is_folder = os.path.isdir(sources[0])  # noqa: PTH112 - a name may be too long to ask about
        alone = len(inputs) + len(failures) == 1 and not is_folder
        if not inputs:
            if not (quiet or alone):
                messages.print(tally.line())
            raise typer.Exit(SOME_FAILED)
        estimator = stack.enter_context(
            Estimator(
                model,
                detector=detector,
                detector_size=detector_size,
                backend=backend.value,
                precision=precision.value if precision else None,
                threads=threads,
                min_score=min_score,
                max_people=max_people,
                max_pixels=max_pixels,
                flip_test=flip_test,
            )
        )
        lines: Callable[[str], object] | None = results.file.write if as_json else None
        if json_file is not None:
            lines = _also(stack.enter_context(json_lines(json_file)), lines)
        film_options = FilmOptions(
            detect_every=detect_every,
            smooth=smooth,
            draw=draw,
            show=show,
            sound=sound,
            reconnect=reconnect,
            timeout_s=timeout,
            drop=drop,
            transport=transport.value if transport else None,
            low_latency=low_latency,
            max_pixels=max_pixels,
            quiet=quiet,
        )
        nowhere: list[Path | None] = [None] * len(inputs)
        places = list(zip(inputs, targets or nowhere, strict=True))
        for film, group in groupby(places, key=lambda place: place[0].film):
            if film:
                for one, target in group:
                    _film(estimator, one, target, lines, tally, film_options)
                continue
            pictures = list(group)
            predict_pictures(
                estimator,
                [one for one, _ in pictures],
                [target for _, target in pictures if target is not None] or None,
                lines,
                tally,
                draw=draw,
                max_pixels=max_pixels,
                quiet=quiet,
            )
    if not quiet and (not alone or tally.films):
        messages.print(tally.line())
    if tally.failed:
        raise typer.Exit(SOME_FAILED)


def _film(
    estimator: Estimator,
    film: Input,
    target: Path | None,
    lines: Callable[[str], object] | None,
    tally: Tally,
    film_options: FilmOptions,
) -> None:
    """A film that fails is an error, and the others are done."""
    try:
        predict_film(estimator, film, target, lines, tally, film_options)
    except SourceError as exc:
        print_error(film.sentence(exc))
        tally.failed += 1


def _also(
    first: Callable[[str], object], second: Callable[[str], object] | None
) -> Callable[[str], object]:
    """A line for both."""
    if second is None:
        return first
    return lambda line: (first(line), second(line))
