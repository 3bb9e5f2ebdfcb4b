"""Random crops of people: where the crop lies, what its colours become, what hides in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Float64, Size

UPPER_BODY = tuple(range(11))
LOWER_BODY = tuple(range(11, 17))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far training crops stray from the box they are cut around.

    Attributes:
        padding: Growth of the box before cropping, as at run time.
        rotation_deg: Largest rotation, applied with probability `rotate`.
        rotate: Probability of a rotation.
        scale: Range of the zoom around the padded box.
        shift: Largest shift, as a part of the padded box.
        box_jitter: Largest move of each box edge, as a part of the box: what a detector does.
        half_body: Probability of cropping to the upper or lower body.
        cutout: Probability of a rectangle that hides part of the crop.
        stranger: Part of these rectangles that show a piece of somebody else, as a crowd does.
        stretch: Largest stretch along a random direction and squeeze across it, as a logarithm:
            people become stouter, slimmer and askew.
        blur: Probability of losing detail, as small or moving people do.
        colour: Probability of other colours.
        nobody: Probability of a crop of the background, where every keypoint is absent.
        elsewhere: Probability that a person whose outline is known stands in another scene.
        in_front: Probability that somebody's outline stands before the person.
    """

    padding: float = 1.25
    rotation_deg: float = 40.0
    rotate: float = 0.6
    scale: tuple[float, float] = (0.7, 1.35)
    shift: float = 0.08
    box_jitter: float = 0.08
    half_body: float = 0.3
    cutout: float = 0.3
    stranger: float = 0.0
    stretch: float = 0.0
    blur: float = 0.15
    colour: float = 1.0
    nobody: float = 0.08
    elsewhere: float = 0.0
    in_front: float = 0.0


# For runs that see every person a few times only: they learn what is usual first.
GENTLE = Augmentation(
    rotation_deg=30,
    rotate=0.4,
    scale=(0.8, 1.25),
    shift=0.05,
    box_jitter=0.06,
    half_body=0.1,
    cutout=0.1,
    blur=0.1,
    colour=0.6,
)

# Halfway, with stretches, strangers and other scenes: for runs from a network that knows these
# people.
WIDE = Augmentation(
    rotation_deg=35,
    rotate=0.5,
    scale=(0.75, 1.3),
    shift=0.06,
    box_jitter=0.07,
    half_body=0.2,
    cutout=0.4,
    stranger=0.6,
    stretch=0.15,
    blur=0.12,
    colour=0.8,
    elsewhere=0.25,
    in_front=0.15,
)

# For runs that show everybody dozens or hundreds of times.
LONG = Augmentation(
    shift=0.07,
    half_body=0.25,
    cutout=0.5,
    stranger=0.6,
    stretch=0.2,
    nobody=0.06,
    elsewhere=0.35,
    in_front=0.2,
)


def random_box(
    rng: np.random.Generator, box_xyxy: Float32, keypoints: Float32, options: Augmentation
) -> Float64:
    """The box to crop around: a body half, or the given box with its edges moved a little."""
    visible = keypoints[:, 2] > 0
    if visible.sum() >= 8 and rng.random() < options.half_body:
        half = np.array(UPPER_BODY if rng.random() < 0.5 else LOWER_BODY)
        points = keypoints[half[visible[half]], :2]
        if len(points) >= 3:
            low, high = points.min(axis=0), points.max(axis=0)
            margin = 0.25 * np.maximum(high - low, 8.0)
            return np.concatenate([low - margin, high + margin]).astype(np.float64)
    box = box_xyxy.astype(np.float64)
    extent = np.tile(box[2:] - box[:2], 2)
    return box + rng.uniform(-options.box_jitter, options.box_jitter, 4) * extent


def background_box(
    rng: np.random.Generator, image_size: Size, people_xyxy: Float32
) -> Float64 | None:
    """A box that shows no person, not even when it is padded; None if a few tries found none."""
    for _ in range(10):
        box = any_box(rng, image_size)
        reach = box + np.array([-0.35, -0.35, 0.35, 0.35]) * np.tile(box[2:] - box[:2], 2)
        apart = (people_xyxy[:, :2] >= reach[2:]) | (people_xyxy[:, 2:] <= reach[:2])
        if apart.any(axis=1).all():
            return box
    return None


def any_box(rng: np.random.Generator, image_size: Size) -> Float64:
    """A box about as slim as people are, of any size, wherever it may be in an image."""
    extent = np.array([image_size.width, image_size.height], np.float64)
    height = extent.min() * np.exp(rng.uniform(np.log(0.12), np.log(0.8)))
    size = np.array([0.75 * height * np.exp(rng.uniform(-0.3, 0.3)), height])
    corner = rng.uniform(-0.2 * size, extent - 0.8 * size)
    return np.concatenate([corner, corner + size])


def random_affine(
    rng: np.random.Generator, box_xyxy: Float64, input_size: Size, options: Augmentation
) -> tuple[Float64, bool]:
    """Image-to-input map around a box with random scale, shift, rotation and mirroring.

    Returns:
        The `(2, 3)` map, and whether it mirrors.
    """
    to_input = geometry.crop_affine(box_xyxy, input_size, options.padding)
    size = np.array([input_size.width, input_size.height], np.float64)
    centre = (size - 1) / 2
    scale = 1 / rng.uniform(*options.scale)
    angle = 0.0
    if rng.random() < options.rotate:
        angle = np.deg2rad(rng.uniform(-options.rotation_deg, options.rotation_deg))
    mirrored = bool(rng.random() < 0.5)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    if options.stretch > 0:
        linear = linear @ _stretch(rng, options.stretch)
    if mirrored:
        linear = np.diag([-1.0, 1.0]) @ linear
    shift = rng.uniform(-options.shift, options.shift, 2) * size
    stray = np.column_stack([linear, centre - linear @ centre + shift])
    return geometry.compose(stray, to_input), mirrored


def _stretch(rng: np.random.Generator, largest: float) -> Float64:
    """Longer along one direction, shorter across it, as large as before."""
    towards = rng.uniform(0, np.pi)
    cos, sin = np.cos(towards), np.sin(towards)
    turn = np.array([[cos, -sin], [sin, cos]])
    factor = np.exp(rng.uniform(-largest, largest))
    stretched: Float64 = turn @ np.diag([factor, 1 / factor]) @ turn.T
    return stretched


def disturb_colours(rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Random contrast, brightness, saturation and white balance of a BGR crop."""
    saturation = 0.0 if rng.random() < 0.05 else rng.uniform(0.5, 1.5)
    grey = np.array([0.114, 0.587, 0.299])
    mix = saturation * np.eye(3) + (1 - saturation) * np.tile(grey, (3, 1))
    mix = np.diag(rng.uniform(0.85, 1.15, 3)) @ mix * rng.uniform(0.6, 1.4)
    offset = rng.uniform(-30, 30, (3, 1)) + (1 - mix.sum(axis=1, keepdims=True)) * 60
    changed = cv2.transform(crop, np.hstack([mix, offset]))
    if rng.random() < 0.3:
        gamma = rng.uniform(0.6, 1.7)
        curve = (255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
        changed = cv2.LUT(changed, curve)
    return changed.astype(np.uint8, copy=False)


def hide_part(
    rng: np.random.Generator, crop: NDArray[np.uint8], stranger: NDArray[np.uint8] | None = None
) -> None:
    """Cover a random rectangle of a crop, in place: with one colour, noise, or another crop.

    Args:
        rng: What decides where and how.
        crop: `(H, W, 3)`.
        stranger: A crop of somebody else, as large; the rectangle shows a part of it.
    """
    height, width = crop.shape[:2]
    h = int(height * rng.uniform(0.1, 0.35))
    w = int(width * rng.uniform(0.15, 0.5))
    y, x = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
    if stranger is not None:
        v, u = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
        crop[y : y + h, x : x + w] = stranger[v : v + h, u : u + w]
    elif rng.random() < 0.5:
        crop[y : y + h, x : x + w] = rng.integers(0, 256, 3, np.uint8)
    else:
        crop[y : y + h, x : x + w] = rng.integers(0, 256, (h, w, 3), np.uint8)


def lay_over(
    scene: NDArray[np.uint8], crop: NDArray[np.uint8], outline: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """A crop's outlined part on another one as large; `(H, W)` outline, 255 for the crop."""
    share = cv2.merge([outline] * 3).astype(np.uint16)
    mixed = crop * share + scene * (255 - share)
    return ((mixed + 127) // 255).astype(np.uint8)


def lose_detail(rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur a crop, or shrink it and blow it up again."""
    if rng.random() < 0.5:
        sigma = rng.uniform(0.5, 1.8)
        return cv2.GaussianBlur(crop, (0, 0), sigma).astype(np.uint8, copy=False)
    height, width = crop.shape[:2]
    factor = rng.uniform(0.25, 0.7)
    small = cv2.resize(crop, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height)).astype(np.uint8, copy=False)
