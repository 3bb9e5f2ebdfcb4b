"""The frames that a measurement repeats, in memory: reading them is no part of its times."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float32
from litepose_edge.measure.bench.runs import scene
from litepose_edge.measure.bench.runs.configuration import SYNTHETIC, Configuration
from litepose_edge.preprocess import Image
from litepose_edge.sources import open_source

MAX_BYTES = 64_000_000
MAX_FRAMES = 64
MIN_SCORE = 0.3

# From a frame and the least score to boxes `(P, 4)` and scores `(P,)`.
FindBoxes = Callable[[Image, float], tuple[Float32, Float32]]


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One frame.

    Attributes:
        image: `(H, W, 3)` uint8 BGR.
        boxes_xyxy: `(P, 4)` float32 boxes to give, or None where the detector finds people.
    """

    image: Image
    boxes_xyxy: Float32 | None


def load_frames(configuration: Configuration, detector: FindBoxes) -> list[ClipFrame]:
    """The frames of a configuration's source.

    Args:
        configuration: Its `source` and `people` count.
        detector: Finds the boxes to give, where the source is not drawn.

    Raises:
        SourceError: The source cannot be read, or the detector finds no person in a frame whose
            boxes are to be given.
    """
    people = configuration.people
    if configuration.source == SYNTHETIC:
        drawn = [scene.draw_scene(people or 1, seed) for seed in range(scene.FRAMES)]
        return [ClipFrame(image, boxes if people else None) for image, boxes in drawn]
    images = _read(configuration.source)
    if people is None:
        return [ClipFrame(image, None) for image in images]
    return [
        ClipFrame(image, _boxes(image, people, detector, configuration.source)) for image in images
    ]


def _read(source: str) -> list[Image]:
    images: list[Image] = []
    with closing(open_source(source)) as opened:
        for frame in opened.frames:
            images.append(frame.image)
            if len(images) == MAX_FRAMES or sum(i.nbytes for i in images) > MAX_BYTES:
                break
    return images


def _boxes(image: Image, people: int, detector: FindBoxes, source: str) -> Float32:
    """So many of the detector's boxes; they are repeated where it found fewer."""
    found, _ = detector(image, MIN_SCORE)
    if not len(found):
        raise SourceError(
            f"no person was found in a frame of {source}, so there are no boxes to give; "
            "use --people found"
        )
    boxes: Float32 = found[np.arange(people) % len(found)]
    return boxes
