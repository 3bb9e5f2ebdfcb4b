"""The part of `predict` that finds people in images, one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from litepose_edge.atomic_files import make_folder
from litepose_edge.cli.console import print_error, results, write_image
from litepose_edge.cli.predict.drawing import drawer
from litepose_edge.cli.predict.inputs import Input
from litepose_edge.cli.predict.progress import Tally, bar_of
from litepose_edge.errors import SourceError
from litepose_edge.estimator import Estimator
from litepose_edge.results import Poses
from litepose_edge.sources import iterate_images


def predict_pictures(
    estimator: Estimator,
    inputs: Sequence[Input],
    targets: Sequence[Path] | None,
    lines: Callable[[str], object] | None,
    tally: Tally,
    *,
    draw: str,
    max_pixels: int,
    quiet: bool,
) -> None:
    """Find the people of images; one that cannot be read is an error, and the others are done.

    Args:
        estimator: Finds the people.
        inputs: The images.
        targets: A file for each drawing, or None.
        lines: Takes a line of JSON an image; None prints a sentence instead.
        tally: Counted up here.
        draw: What is drawn besides the skeletons.
        max_pixels: Larger images are refused.
        quiet: No bar.

    Raises:
        OutputError: A file cannot be written.
    """
    drawn = drawer(draw)
    for folder in {target.parent for target in targets or ()}:
        make_folder(folder)
    paths = [Path(one.source) for one in inputs]
    with bar_of(len(inputs), "images", quiet=quiet) as advance:
        images = iterate_images(paths, max_pixels=max_pixels)
        for number, (one, (_, image)) in enumerate(zip(inputs, images, strict=True)):
            if isinstance(image, SourceError):
                print_error(one.sentence(image))
                tally.failed += 1
                advance(tally.people)
                continue
            poses = estimator.predict(image)
            if targets is not None:
                # A folder that has vanished is not made again: the pictures until then would be
                # lost without a word.
                write_image(targets[number], drawn(image, poses, 0.0), make_folder=False)
            if lines is not None:
                lines(_line(one.name, poses))
            else:
                results.print(_sentence(one.name, poses))
            tally.images += 1
            tally.people += len(poses)
            advance(tally.people)


def _line(name: str, poses: Poses) -> str:
    return json.dumps({"source": name, **poses.to_dict()}, allow_nan=False) + "\n"


def _sentence(name: str, poses: Poses) -> str:
    scores = ", ".join(f"{score:.2f}" for score in poses.person_scores)
    noun = "person" if len(poses) == 1 else "people"
    suffix = f" (scores {scores})" if len(poses) else ""
    return f"{name}: {len(poses)} {noun}{suffix}"
