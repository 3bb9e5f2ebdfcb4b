"""`litepose-edge demo`: people found in photographs in the public domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli.console import results, write_image
from litepose_edge.estimator import Estimator
from litepose_edge.results import Poses
from litepose_edge.sources import read_image
from litepose_edge.sources.photographs import scikit_image_photographs

PHOTOGRAPHS = ("astronaut", "camera")


EXAMPLES = ("litepose-edge demo --out pictures",)


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the drawn pictures.", file_okay=False)
    ] = Path("litepose-demo"),
) -> None:
    """Draw the people of two public-domain photographs.

    The photographs come with scikit-image (extra `demo`).
    """
    folder = scikit_image_photographs()
    with Estimator() as estimator:
        for name in PHOTOGRAPHS:
            image = read_image(folder / f"{name}.png")
            poses = estimator.predict(image)
            picture = out / f"{name}.png"
            write_image(picture, poses.draw(image))
            _describe(name, poses)
            results.print(f"  picture: {picture}", markup=False)


def _describe(name: str, poses: Poses) -> None:
    noun = "person" if len(poses) == 1 else "people"
    results.print(f"{name}: {len(poses)} {noun}", markup=False)
    for number, person in enumerate(poses, 1):
        x1, y1, x2, y2 = person.box_xyxy.round().astype(int).tolist()
        results.print(f"  #{number} score {person.score:.2f}, box ({x1}, {y1}) to ({x2}, {y2})")
        names = poses.skeleton.keypoint_names
        for joint, (x, y), score in zip(names, person.keypoints, person.scores, strict=True):
            if score >= poses.min_keypoint_score:
                results.print(f"     {joint:<15} ({x:6.1f}, {y:6.1f})  {score:.2f}", markup=False)
