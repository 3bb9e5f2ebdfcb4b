"""Drawn scenes of people for bottom-up decoding: heatmaps and tags of known poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from litepose_edge import COCO_17
from litepose_edge.decoding import associative
from litepose_edge.manifest import BottomUpSpec

SPEC = BottomUpSpec(coarse="coarse", fine="fine", skeleton=COCO_17)
SIDE = 224
FIGURE = np.array(
    [
        (0, -20), (1, -21), (-1, -21), (2, -20), (-2, -20), (5, -14), (-5, -14), (8, -6), (-8, -6),
        (9, 1), (-9, 1), (3, 2), (-3, 2), (4, 12), (-4, 12), (4, 21), (-4, 21),
    ],
    np.float64,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """Maps, and what they were drawn from.

    Attributes:
        heat: `(17, SIDE, SIDE)` float32.
        tags: `(1, 17, SIDE / 2, SIDE / 2)` float32.
        cells: `(P, 17, 2)` integer places.
        seen: `(P, 17)` bool.
    """

    heat: np.ndarray
    tags: np.ndarray
    cells: np.ndarray
    seen: np.ndarray


def draw(
    rng: np.random.Generator,
    cells: np.ndarray,
    tags: np.ndarray,
    seen: np.ndarray,
    *,
    heat_noise: float = 0.05,
    tag_noise: float = 0.05,
    strength: np.ndarray | None = None,
) -> Scene:
    """Gaussians of two cells, merged by their maximum, and each person's tag around its joints."""
    joints = cells.shape[1]
    heat = rng.uniform(0, heat_noise, (joints, SIDE, SIDE)).astype(np.float32)
    maps = rng.normal(0, tag_noise, (1, joints, SIDE // 2, SIDE // 2)).astype(np.float32)
    rows, columns = np.mgrid[-7:8, -7:8]
    bell = np.exp(-(rows**2 + columns**2) / 8)
    nearest = np.full((joints, SIDE // 2, SIDE // 2), np.inf)
    for person, joint in zip(*seen.nonzero(), strict=True):
        x, y = cells[person, joint]
        top = rng.uniform(0.5, 1.0) if strength is None else strength[person]
        window = heat[joint, max(y - 7, 0) : y + 8, max(x - 7, 0) : x + 8]
        part = bell[max(7 - y, 0) :, max(7 - x, 0) :][: window.shape[0], : window.shape[1]]
        np.maximum(window, (top * part).astype(np.float32), out=window)
        down, across = np.mgrid[: SIDE // 2, : SIDE // 2]
        distance = (across * 2 + 0.5 - x) ** 2 + (down * 2 + 0.5 - y) ** 2
        mine = (distance < 49) & (distance < nearest[joint])
        nearest[joint][mine] = distance[mine]
        maps[0, joint][mine] = tags[person, joint] + rng.normal(0, tag_noise, int(mine.sum()))
    return Scene(heat, maps, cells, seen)


def place(rng: np.random.Generator, people: int, apart: int = 8) -> np.ndarray:
    """`(P, 17, 2)` figures, overlapping, but like joints of two people so many cells apart."""
    placed: list[np.ndarray] = []
    while len(placed) < people:
        size = rng.uniform(0.5, 2.0)
        figure = FIGURE * size * rng.choice([[1, 1], [-1, 1]]) + rng.normal(0, 1.5, (17, 2))
        border = size * np.array([16, 26])
        figure += rng.uniform(border, SIDE - border)
        cells = figure.round().astype(int).clip(3, SIDE - 4)
        if all((np.abs(cells - other).max(axis=1) >= apart).all() for other in placed):
            placed.append(cells)
    return np.stack(placed)


def tags_of(rng: np.random.Generator, people: int, gap: float) -> np.ndarray:
    """`(P, 17)` one tag a person, in random order, at least `gap` apart."""
    steps = gap * rng.uniform(1, 1.5, people).cumsum() - gap * people / 2
    return np.repeat(rng.permutation(steps)[:, None], 17, axis=1)


def recovered(scene: Scene, found: associative.People) -> np.ndarray:
    """`(P,)` bool: one of those found has this person's visible joints and no others."""
    hit = np.abs(found.cells[None] - scene.cells[:, None]).max(axis=3) <= 1
    present = found.values[None] > 0
    right = (hit & present) == present
    complete = present == scene.seen[:, None]
    return (right & complete).all(axis=2).any(axis=1)
