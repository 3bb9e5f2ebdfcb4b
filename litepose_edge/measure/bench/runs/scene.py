"""A drawn picture with as many people in it as are asked for, and their boxes."""

from __future__ import annotations

import math

import cv2
import numpy as np

from litepose_edge.geometry import Float32, Size
from litepose_edge.preprocess import Image

SIZE = Size(640, 480)
FRAMES = 8
# Joints of an upright figure in a box one wide and one high.
JOINTS = {
    "neck": (0.50, 0.19),
    "hip": (0.50, 0.52),
    "left_hand": (0.88, 0.46),
    "right_hand": (0.12, 0.46),
    "left_foot": (0.68, 0.97),
    "right_foot": (0.32, 0.97),
}
LIMBS = (
    ("neck", "hip"),
    ("neck", "left_hand"),
    ("neck", "right_hand"),
    ("hip", "left_foot"),
    ("hip", "right_foot"),
)


def draw_scene(people: int, seed: int = 0, size: Size = SIZE) -> tuple[Image, Float32]:
    """One frame: figures of skin, shirt and trousers before a blurred background.

    Args:
        people: How many, at least one.
        seed: The same seed draws the same frame.
        size: Of the frame.

    Returns:
        image: `(H, W, 3)` uint8 BGR.
        boxes: `(people, 4)` float32 xyxy.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (size.height // 40, size.width // 40, 3), np.uint8)
    background = cv2.resize(coarse, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
    image: Image = np.ascontiguousarray(background, np.uint8)
    boxes = _places(people, size, rng)
    for box in boxes:
        _draw_person(image, box, rng)
    return image, boxes


def _places(people: int, size: Size, rng: np.random.Generator) -> Float32:
    """Boxes in a grid, each a little off its cell's centre."""
    columns = math.ceil(math.sqrt(people * size.width / size.height))
    rows = math.ceil(people / columns)
    cell = np.array([size.width / columns, size.height / rows])
    index = np.arange(people)
    corner = np.stack([index % columns, index // columns], axis=1) * cell
    height = np.minimum(cell[1] * 0.88, cell[0] * 1.8)
    extent = np.array([height / 2, height])
    origin = corner + (cell - extent) * rng.uniform(0.2, 0.8, (people, 2))
    return np.concatenate([origin, origin + extent], axis=1).astype(np.float32)


def _draw_person(image: Image, box: Float32, rng: np.random.Generator) -> None:
    origin, extent = box[:2], box[2:] - box[:2]
    sway = rng.uniform(-0.04, 0.04, (len(JOINTS), 2))
    at = {
        name: tuple(((np.array(place) + shift).clip(0, 1) * extent + origin).astype(int).tolist())
        for (name, place), shift in zip(JOINTS.items(), sway, strict=True)
    }
    skin, shirt, trousers = (tuple(rng.integers(20, 235, 3).tolist()) for _ in range(3))
    width = max(2, int(extent[0] * 0.14))
    for first, second in LIMBS:
        colour = trousers if "foot" in second else shirt
        thickness = 2 * width if second == "hip" else width
        cv2.line(image, at[first], at[second], colour, thickness, cv2.LINE_AA)
    head = (np.array([0.5, 0.09]) * extent + origin).astype(int).tolist()
    cv2.circle(image, head, max(2, int(extent[1] * 0.085)), skin, -1, cv2.LINE_AA)
