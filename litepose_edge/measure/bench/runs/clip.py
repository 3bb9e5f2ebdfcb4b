"""The frames a measurement goes round in, held in memory: decoding them is nobody's frame time."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float32
from litepose_edge.measure.bench.runs import scene
from litepose_edge.measure.bench.runs.configuration import SYNTHETIC, Configuration
from litepose_edge.pipelines.detector import BoxSource
from litepose_edge.preprocess import Image
from litepose_edge.sources import open_source

MAX_BYTES = 64_000_000
MAX_FRAMES = 64
MIN_SCORE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One frame.

    Attributes:
        image: `(H, W, 3)` uint8 BGR.
        boxes_xyxy: `(P, 4)` float32 boxes to give, or None where the detector finds people.
    """

    image: Image
    boxes_xyxy: Float32 | None


def views(configuration: Configuration, detector: BoxSource) -> list[View]:
    """The frames of a configuration's source.

    Args:
        configuration: Its `source` and `people` count.
        detector: Finds the boxes that are given, where they are not drawn.

    Raises:
        SourceError: The source cannot be read, or nobody is in a frame that needs somebody.
    """
    people = configuration.people
    if configuration.source == SYNTHETIC:
        drawn = [scene.draw_scene(people or 1, seed) for seed in range(scene.FRAMES)]
        return [View(image, boxes if people else None) for image, boxes in drawn]
    images = _read(configuration.source)
    if people is None:
        return [View(image, None) for image in images]
    return [View(image, _boxes(image, people, detector, configuration.source)) for image in images]


def _read(source: str) -> list[Image]:
    images: list[Image] = []
    with closing(open_source(source)) as opened:
        for frame in opened.frames:
            images.append(frame.image)
            if len(images) == MAX_FRAMES or sum(i.nbytes for i in images) > MAX_BYTES:
                break
    return images


def _boxes(image: Image, people: int, detector: BoxSource, source: str) -> Float32:
    """As many of the detector's boxes as are asked for, from the first again where it has fewer."""
    found, _ = detector(image, MIN_SCORE)
    if not len(found):
        raise SourceError(
            f"no person was found in a frame of {source}: its people cannot be given; "
            "use --people found"
        )
    boxes: Float32 = found[np.arange(people) % len(found)]
    return boxes
