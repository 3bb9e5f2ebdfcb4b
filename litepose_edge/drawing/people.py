"""Draws people: skeletons, boxes and labels, sized by the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.drawing.labels import Labels
from litepose_edge.drawing.palette import (
    DOT,
    EDGE,
    PEOPLE,
    Colour,
    Palette,
    bone_colour,
    checked_palette,
)
from litepose_edge.drawing.trails import Trails
from litepose_edge.options import whole_number
from litepose_edge.skeletons import Skeleton

Float32 = NDArray[np.float32]

FRACTION_BITS = 4
# Sets of more keypoints lie close together, as on a face: their lines and dots are thin.
MANY_KEYPOINTS = 40
MOST_PIXELS = 1000  # of a thickness or radius
# Pixels of the picture's short side for one of a box's line and of a capital letter.
BOX_LINE, CAPITAL, LEAST_CAPITAL = 400, 32, 11


class People(Protocol):
    """What is drawn of people (`results.Poses`)."""

    @property
    def keypoints(self) -> Float32:
        """`(P, K, 2)` in pixels."""

    @property
    def scores(self) -> Float32:
        """`(P, K)` in `[0, 1]`."""

    @property
    def boxes_xyxy(self) -> Float32:
        """`(P, 4)` in pixels."""

    @property
    def person_scores(self) -> Float32:
        """`(P,)` in `[0, 1]`."""

    @property
    def track_ids(self) -> NDArray[np.int64] | None:
        """`(P,)`, or None where nothing tracks."""

    @property
    def skeleton(self) -> Skeleton:
        """Names and bones of the K keypoints."""


@dataclass(frozen=True, slots=True)
class Style:
    """How people are drawn; see `Poses.draw`.

    Raises:
        ValueError: An option is out of range.
    """

    skeletons: bool = True
    boxes: bool = True
    ids: bool = True
    labels: bool | Sequence[str] = True
    scores: bool = False
    thickness: int | None = None
    radius: int | None = None
    palette: Palette | None = None
    min_score: float = 0.3

    def __post_init__(self) -> None:
        for name in ("thickness", "radius"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), 0, MOST_PIXELS)
        if self.palette is not None:
            object.__setattr__(self, "palette", checked_palette(self.palette))
        if isinstance(self.labels, str | bytes) or not isinstance(self.labels, bool | Iterable):
            raise ValueError(
                f"labels must be True, False or a list with a text for each person, got "
                f"{self.labels!r:.100}"
            )


def draw_poses(
    image: NDArray[np.uint8], people: People, style: Style, trails: Trails | None = None
) -> NDArray[np.uint8]:
    """Draw people onto a copy of the image: trails lowest, then boxes, skeletons, labels.

    Args:
        image: `(H, W, 3)` uint8 BGR, of the size that the people were found in.
        people: Who.
        style: What to draw of them.
        trails: Where they were.

    Raises:
        ValueError: There are not as many labels as people, or the trails are none.
    """
    if not isinstance(trails, Trails | None):
        raise ValueError(f"trails must be Trails, kept from frame to frame, got {trails!r:.100}")
    texts = _texts(people, style)
    canvas = np.ascontiguousarray(image).copy()
    short_side = min(canvas.shape[:2])
    palette = style.palette or ("side" if people.track_ids is None else "person")
    colours = PEOPLE if isinstance(palette, str) else palette
    ids = people.track_ids
    numbers = range(len(people.keypoints)) if ids is None else ids.tolist()

    def colour_of(number: int) -> Colour:
        return colours[number % len(colours)]

    line = max(1, round(short_side / BOX_LINE)) if style.thickness is None else style.thickness
    boxes = [_rectangle(box, canvas) for box in people.boxes_xyxy]
    if trails is not None and line:
        trails.draw(canvas, colour_of, 2 * line)
    if style.boxes and line:
        for number, (x1, y1, x2, y2) in zip(numbers, boxes, strict=True):
            cv2.rectangle(canvas, (x1, y1), (x2, y2), colour_of(number), line, cv2.LINE_AA)
    if style.skeletons:
        limit = _limit(canvas)
        for number, points, scores in zip(
            numbers, people.keypoints.clip(-limit, limit), people.scores, strict=True
        ):
            colour = None if palette == "side" else colour_of(number)
            _draw_person(canvas, points, scores, people.skeleton, style, colour)
    labels = Labels(canvas, max(LEAST_CAPITAL, round(short_side / CAPITAL)))
    for number, box, text in zip(numbers, boxes, texts, strict=True):
        if text:
            labels.write(text, box, colour_of(number))
    return canvas


def draw_people(
    image: NDArray[np.uint8],
    keypoints: Float32,
    scores: Float32,
    skeleton: Skeleton,
    *,
    min_score: float = 0.3,
) -> NDArray[np.uint8]:
    """Draw bones and keypoints alone onto a copy of the image, coloured by side.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        keypoints: `(P, K, 2)` float32 in pixels.
        scores: `(P, K)` float32.
        skeleton: Which keypoints to join.
        min_score: A keypoint below is not drawn, nor is a bone that ends in it.
    """
    canvas = np.ascontiguousarray(image).copy()
    limit, style = _limit(canvas), Style(min_score=min_score)
    for points, score in zip(keypoints.clip(-limit, limit), scores, strict=True):
        _draw_person(canvas, points, score, skeleton, style, None)
    return canvas


def draw_keypoints(
    image: NDArray[np.uint8], keypoints: Float32, shown: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Draw rings at keypoints onto a copy of the image.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        keypoints: `(K, 2)` float32 in pixels.
        shown: `(K,)` bool.
    """
    canvas = np.ascontiguousarray(image).copy()
    radius = max(3, round(min(canvas.shape[:2]) / 80))
    limit = _limit(canvas)
    for x, y in keypoints[shown].clip(-limit, limit).tolist():
        centre = (round(x * 2**FRACTION_BITS), round(y * 2**FRACTION_BITS))
        for colour, thickness in ((EDGE, 3), (DOT, 1)):
            rim = radius * 2**FRACTION_BITS
            cv2.circle(canvas, centre, rim, colour, thickness, cv2.LINE_AA, FRACTION_BITS)
    return canvas


def _limit(canvas: NDArray[np.uint8]) -> int:
    """Far outside the picture nothing shows, but fixed-point coordinates would overflow."""
    return 4 * int(max(canvas.shape[:2]))


def _draw_person(
    canvas: NDArray[np.uint8],
    points: Float32,
    scores: Float32,
    skeleton: Skeleton,
    style: Style,
    colour: Colour | None,
) -> None:
    """Bones and keypoints of one person, in one colour or each side's own."""
    seen = scores >= style.min_score
    thickness = style.thickness
    if thickness is None:
        thickness = _thickness(points[seen], canvas, many=len(skeleton) > MANY_KEYPOINTS)
    fixed = np.round(points * 2**FRACTION_BITS).astype(int)
    for first, second in skeleton.bones if thickness else ():
        if seen[first] and seen[second]:
            ends = (tuple(fixed[first].tolist()), tuple(fixed[second].tolist()))
            shade = bone_colour(skeleton, first, second) if colour is None else colour
            cv2.line(canvas, *ends, EDGE, thickness + 2, cv2.LINE_AA, FRACTION_BITS)
            cv2.line(canvas, *ends, shade, thickness, cv2.LINE_AA, FRACTION_BITS)
    if style.radius == 0:
        return
    radius = int((thickness + 1) * 2**FRACTION_BITS * 0.8)
    if style.radius is not None:
        radius = style.radius * 2**FRACTION_BITS
    for point in fixed[seen]:
        centre = tuple(point.tolist())
        rim = radius + 2**FRACTION_BITS
        cv2.circle(canvas, centre, rim, EDGE, -1, cv2.LINE_AA, FRACTION_BITS)
        cv2.circle(canvas, centre, radius, DOT, -1, cv2.LINE_AA, FRACTION_BITS)


def _thickness(seen: Float32, canvas: NDArray[np.uint8], *, many: bool) -> int:
    """By the person's extent, within bounds that grow with the picture."""
    extent = float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0
    short_side = min(canvas.shape[:2])
    least = max(1, round(short_side / 800))
    most = least if many else max(8, round(short_side / 120))
    return int(min(max(round(extent / 90), least), most))


def _rectangle(box: Float32, canvas: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """A box in whole pixels of the picture."""
    height, width = canvas.shape[:2]
    far = np.array([width, height, width, height]) - 1
    x1, y1, x2, y2 = np.round(box).clip(0, far).astype(int).tolist()
    return x1, y1, x2, y2


def _texts(people: People, style: Style) -> list[str]:
    """What stands at each person's box."""
    own = [] if isinstance(style.labels, bool) else [str(text) for text in style.labels]
    count = len(people.keypoints)
    if not isinstance(style.labels, bool) and len(own) != count:
        raise ValueError(f"{len(own)} labels for {count} people: give one text for each")
    if style.labels is False:
        return [""] * count
    texts = []
    for i in range(count):
        parts = []
        if style.ids and people.track_ids is not None:
            parts.append(f"#{people.track_ids[i]}")
        if style.scores:
            parts.append(f"{people.person_scores[i]:.2f}")
        texts.append(" ".join([*parts, *own[i : i + 1]]))
    return texts
