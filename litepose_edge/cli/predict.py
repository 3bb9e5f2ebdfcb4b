"""`litepose-edge predict`: keypoints of the people in images, videos and cameras."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.atomic_files import check_targets, make_folder
from litepose_edge.cli import options
from litepose_edge.cli.console import (
    SOME_FAILED,
    json_lines,
    print_error,
    progress_bar,
    results,
    write_image,
)
from litepose_edge.cli.options import BackendName
from litepose_edge.cli.predict_video import VideoOutputs, predict_video
from litepose_edge.errors import SourceError
from litepose_edge.estimator import Estimator
from litepose_edge.results import Poses
from litepose_edge.sources import FrameSource, is_video, iterate_images, list_images, open_source
from litepose_edge.sources.opening import TIMEOUT_S

EXAMPLE = "litepose-edge predict photo.jpg --save drawn"


def _seconds(value: float) -> float:
    if not 0 < value < math.inf:
        raise typer.BadParameter("expected a finite number of seconds above 0")
    return value


def predict(
    source: Annotated[
        str,
        typer.Argument(help="Image, folder, glob pattern, video, camera number or device, or URL."),
    ],
    save: Annotated[
        Path | None,
        typer.Option(
            help="Draw the skeletons: into a folder, or a video into a file such as out.mp4."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print one line of JSON per image or frame; --json FILE writes them."
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(help="Write JSON lines into this file; --json FILE.jsonl is short for it."),
    ] = None,
    detect_every: Annotated[
        int, typer.Option(min=1, help="Videos: run the detector on every Nth frame.")
    ] = 10,
    smooth: Annotated[bool, typer.Option(help="Videos: smooth the keypoints over time.")] = True,
    show: Annotated[bool, typer.Option("--show", help="Videos: show them in a window.")] = False,
    sound: Annotated[
        bool, typer.Option("--sound", help="Videos: keep the sound in the saved one (extra video).")
    ] = False,
    reconnect: Annotated[
        bool,
        typer.Option("--reconnect", help="Cameras and streams: open them again when they stop."),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            callback=_seconds,
            help="Cameras and streams: without a frame for so many seconds they have stopped.",
        ),
    ] = TIMEOUT_S,
    drop: Annotated[
        bool,
        typer.Option(help="Cameras and streams: drop frames that come too fast, or make it wait."),
    ] = True,
    model: options.Model = "lrpose-s",
    detector: options.Detector = "default",
    detector_size: options.DetectorSize = None,
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    threads: options.Threads = None,
    min_score: options.MinScore = 0.3,
    max_people: options.MaxPeople = 20,
    max_pixels: options.MaxPixels = 100_000_000,
    flip_test: options.FlipTest = None,
) -> None:
    """Find people in images, and track them in videos.

    Cameras and streams are tracked like videos. Photographs are turned upright by their EXIF
    orientation.
    """
    estimator = Estimator(
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
    with estimator:
        if not is_video(source):
            _predict_images(estimator, source, save, json_file, max_pixels, as_json=as_json)
            return
        opened = open_source(
            source, max_pixels=max_pixels, reconnect=reconnect, timeout_s=timeout, drop=drop
        )
        outputs = VideoOutputs(save, json_file, as_json, show, _sound(source, opened, sound))
        with contextlib.closing(opened):
            check_targets(save, json_file)
            predict_video(
                estimator, source, opened, outputs, detect_every=detect_every, smooth=smooth
            )


def _sound(source: str, opened: FrameSource, wanted: bool) -> str | None:
    """What the sound is read from, apart from the pictures."""
    if not wanted:
        return None
    if opened.live:
        raise SourceError(f"the sound of {opened.name} cannot be kept: it is no film")
    # Absolute: what stands before a colon in a name is no protocol.
    return os.path.abspath(source) if Path(source).exists() else source  # noqa: PTH100


def _predict_images(
    estimator: Estimator,
    source: str,
    save: Path | None,
    json_file: Path | None,
    max_pixels: int,
    *,
    as_json: bool,
) -> None:
    paths = list_images(source)
    failed = 0
    with contextlib.ExitStack() as stack:
        append = stack.enter_context(json_lines(json_file)) if json_file is not None else None
        pictures = _pictures(paths, save) if save is not None else {}
        for folder in {picture.parent for picture in pictures.values()}:
            make_folder(folder)
        bar = stack.enter_context(progress_bar())
        for path, image in bar.track(
            iterate_images(paths, max_pixels=max_pixels), total=len(paths), description="predict"
        ):
            if isinstance(image, SourceError):
                print_error(str(image))
                failed += 1
                continue
            poses = estimator.predict(image)
            if save is not None:
                # A folder that has vanished is not made again: the pictures until then would be
                # lost without a word.
                write_image(pictures[path], poses.draw(image), make_folder=False)
            if append is not None:
                append(_line(path, poses))
            else:
                _print(path, poses, as_json=as_json)
    if failed:
        raise typer.Exit(SOME_FAILED)


def _pictures(paths: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """One a source, also for a.jpg beside a.png; where names repeat, below the sources' folders."""
    if len({path.name for path in paths}) == len(paths):
        return {path: folder / f"{path.name}.png" for path in paths}
    common = os.path.commonpath([path.absolute().parent for path in paths])
    below = {path: folder / path.absolute().relative_to(common) for path in paths}
    return {path: place.with_name(f"{place.name}.png") for path, place in below.items()}


def _line(path: Path, poses: Poses) -> str:
    return json.dumps({"source": str(path), **poses.to_dict()}, allow_nan=False) + "\n"


def _print(path: Path, poses: Poses, *, as_json: bool) -> None:
    if as_json:
        results.file.write(_line(path, poses))
        return
    scores = ", ".join(f"{score:.2f}" for score in poses.person_scores)
    noun = "person" if len(poses) == 1 else "people"
    suffix = f" (scores {scores})" if len(poses) else ""
    results.print(f"{path}: {len(poses)} {noun}{suffix}", markup=False)
