"""`litepose-edge predict`: keypoints of the people in an image or a folder of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli import options
from litepose_edge.cli.console import SOME_FAILED, complain, progress_bar, results, write_image
from litepose_edge.cli.options import BackendName
from litepose_edge.errors import SourceError
from litepose_edge.estimator import Estimator
from litepose_edge.results import Poses
from litepose_edge.sources import iterate_images, list_images


def predict(
    source: Annotated[str, typer.Argument(help="An image, or a folder of images.")],
    save: Annotated[
        Path | None, typer.Option(help="Folder for pictures with the skeletons drawn.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document a line, one an image.")
    ] = False,
    model: options.Model = "lrpose-s",
    detector: options.Detector = "default",
    precision: options.Precision = None,
    backend: options.BackendOption = BackendName.ONNXRUNTIME,
    threads: options.Threads = None,
    min_score: options.MinScore = 0.3,
    max_people: options.MaxPeople = 20,
    max_pixels: options.MaxPixels = 100_000_000,
) -> None:
    """Find the people in images; EXIF orientation is honoured."""
    paths = list_images(source)
    failed = 0
    estimator = Estimator(
        model,
        detector=detector,
        backend=backend.value,
        precision=precision.value if precision else None,
        threads=threads,
        min_score=min_score,
        max_people=max_people,
        max_pixels=max_pixels,
    )
    with estimator, progress_bar() as bar:
        for path, image in bar.track(
            iterate_images(paths, max_pixels=max_pixels), total=len(paths), description="predict"
        ):
            if isinstance(image, SourceError):
                complain(str(image))
                failed += 1
                continue
            poses = estimator.predict(image)
            if save is not None:
                # One name a source, also for a.jpg beside a.png.
                write_image(save / f"{path.name}.png", poses.draw(image))
            _print(path, poses, as_json=as_json)
    if failed:
        raise typer.Exit(SOME_FAILED)


def _print(path: Path, poses: Poses, *, as_json: bool) -> None:
    if as_json:
        line = json.dumps({"source": str(path), **poses.to_dict()}, allow_nan=False)
        results.file.write(line + "\n")
        return
    scores = ", ".join(f"{score:.2f}" for score in poses.person_scores)
    noun = "person" if len(poses) == 1 else "people"
    suffix = f" (scores {scores})" if len(poses) else ""
    results.print(f"{path}: {len(poses)} {noun}{suffix}", markup=False)
