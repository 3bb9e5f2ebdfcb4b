"""Colours: of people, of sides of the body, of text on them. All are BGR."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Literal, cast

from litepose_edge.skeletons import Skeleton, side_of

Colour = tuple[int, int, int]
Palette = Literal["person", "side"] | Sequence[Colour]

LEFT, RIGHT, MIDDLE = (60, 140, 255), (255, 170, 60), (90, 220, 90)
DOT, EDGE = (255, 255, 255), (40, 40, 40)
# Neighbours in the list differ in hue and in lightness, also for most who are colour-blind.
PEOPLE: tuple[Colour, ...] = (
    (0, 159, 245), (240, 190, 70), (95, 200, 30), (190, 105, 235), (60, 225, 245),
    (235, 120, 40), (70, 80, 240), (185, 235, 110), (225, 80, 150), (165, 190, 235),
)  # fmt: skip
DARK_TEXT, LIGHT_TEXT = (0, 0, 0), (255, 255, 255)


def checked_palette(palette: object) -> Palette:
    """A palette as a caller gave it.

    Raises:
        ValueError: It is none.
    """
    if isinstance(palette, str) and palette in ("person", "side"):
        return cast(Palette, palette)
    if isinstance(palette, Sequence) and not isinstance(palette, str) and len(palette):
        colours = [tuple(colour) if _is_colour(colour) else None for colour in palette]
        if None not in colours:
            return [cast(Colour, tuple(map(int, colour or ()))) for colour in colours]
    raise ValueError(
        "palette must be 'person', 'side' or a list of BGR colours such as (0, 128, 255), "
        f"got {palette!r:.100}"
    )


def _is_colour(colour: object) -> bool:
    return (
        isinstance(colour, Sequence)
        and len(colour) == 3
        and all(isinstance(level, Integral) and 0 <= int(level) <= 255 for level in colour)
    )


def bone_colour(skeleton: Skeleton, first: int, second: int) -> Colour:
    """Left sides are warm, right sides cold, the middle green."""
    sides = {side_of(skeleton.keypoint_names[end]) for end in (first, second)}
    if sides == {"left"}:
        return LEFT
    if sides == {"right"}:
        return RIGHT
    return MIDDLE


def text_colour(ground: Colour) -> Colour:
    """Black or white, whichever reads better on a colour."""
    blue, green, red = ground
    lightness = 0.114 * blue + 0.587 * green + 0.299 * red
    return DARK_TEXT if lightness > 120 else LIGHT_TEXT
