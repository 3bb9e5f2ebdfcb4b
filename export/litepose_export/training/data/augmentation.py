"""Augmentation of training crops: where they lie, their colours, blur, and what covers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import BOX_PADDING
from litepose_edge.skeletons import COCO_17, Skeleton

UPPER_BODY = (*COCO_17.keypoint_names[:11], "neck", "head", "head_top", "upper_neck", "thorax")
LOWER_BODY = COCO_17.keypoint_names[11:]
Halves = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How training crops differ from plain crops around their boxes.

    Attributes:
        padding: Growth of the box before cropping, as at run time.
        rotation_deg: Largest rotation, applied with probability `rotate`.
        rotate: Probability of a rotation.
        scale: Range of the zoom around the padded box.
        shift: Largest shift, as a part of the padded box.
        box_jitter: Largest move of each box edge, as a part of the box: what a detector does.
        half_body: Probability of cropping to the upper or lower body, where keypoints are a
            body's.
        cutout: Probability of a rectangle that covers part of the crop.
        cutmix: Part of these rectangles that show a piece of another person's crop, as in a
            crowd; the others are plain or noise.
        stretch: Largest stretch along a random direction and squeeze across it, as a logarithm.
        blur: Probability of a blur or a loss of resolution.
        colour: Probability of colour jitter.
        background: Probability of a crop without people, where every keypoint is absent.
        background_swap: Copy-paste augmentation: probability that a person whose mask is known is
            pasted into another photograph.
        occluder: Copy-paste augmentation: probability that another person, cut out by their mask,
            is pasted in front.
    """

    padding: float = BOX_PADDING
    rotation_deg: float = 40.0
    rotate: float = 0.6
    scale: tuple[float, float] = (0.7, 1.35)
    shift: float = 0.08
    box_jitter: float = 0.08
    half_body: float = 0.3
    cutout: float = 0.3
    cutmix: float = 0.0
    stretch: float = 0.0
    blur: float = 0.15
    colour: float = 1.0
    background: float = 0.08
    background_swap: float = 0.0
    occluder: float = 0.0


# Crops of the boxes as they are, mirrored half of the time: can a network learn these at all?
NONE = Augmentation(
    rotate=0,
    scale=(1, 1),
    shift=0,
    box_jitter=0,
    half_body=0,
    cutout=0,
    blur=0,
    colour=0,
    background=0,
)

# For short runs, which see every person a few times only, and for fine-tuning.
WEAK = Augmentation(
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

# About as far as the next one, without masks of people, which take minutes to make.
MEDIUM_NO_PASTE = Augmentation(
    rotation_deg=35,
    rotate=0.5,
    scale=(0.75, 1.3),
    shift=0.06,
    box_jitter=0.07,
    half_body=0.15,
    cutout=0.3,
    cutmix=0.6,
    stretch=0.1,
    blur=0.12,
    colour=0.8,
)

# Between the two, for runs from a network that was trained on the same people.
MEDIUM = Augmentation(
    rotation_deg=35,
    rotate=0.5,
    scale=(0.75, 1.3),
    shift=0.06,
    box_jitter=0.07,
    half_body=0.2,
    cutout=0.4,
    cutmix=0.6,
    stretch=0.15,
    blur=0.12,
    colour=0.8,
    background_swap=0.25,
    occluder=0.15,
)

# For long runs, which see every person dozens or hundreds of times.
STRONG = Augmentation(
    shift=0.07,
    half_body=0.25,
    cutout=0.5,
    cutmix=0.6,
    stretch=0.2,
    background=0.06,
    background_swap=0.35,
    occluder=0.2,
)

AUGMENTATIONS: Mapping[str, Augmentation] = MappingProxyType(
    {
        "none": NONE,
        "weak": WEAK,
        "medium-no-paste": MEDIUM_NO_PASTE,
        "medium": MEDIUM,
        "strong": STRONG,
    }
)


def body_halves(skeleton: Skeleton) -> Halves | None:
    """Keypoints of the upper and of the lower body; None where there is no such thing."""
    upper, lower = (
        tuple(i for i, name in enumerate(skeleton.keypoint_names) if name in half)
        for half in (UPPER_BODY, LOWER_BODY)
    )
    return (upper, lower) if min(len(upper), len(lower)) >= 3 else None


COCO_HALVES = body_halves(COCO_17)


def random_box(
    rng: np.random.Generator,
    box_xyxy: Float32,
    keypoints: Float32,
    options: Augmentation,
    halves: Halves | None = COCO_HALVES,
) -> Float64:
    """The box to crop around: a body half, or the given box with its edges moved a little."""
    visible = keypoints[:, 2] > 0
    if halves is not None and visible.sum() >= 8 and rng.random() < options.half_body:
        half = np.array(halves[0] if rng.random() < 0.5 else halves[1])
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
        padded = box + np.array([-0.35, -0.35, 0.35, 0.35]) * np.tile(box[2:] - box[:2], 2)
        apart = (people_xyxy[:, :2] >= padded[2:]) | (people_xyxy[:, 2:] <= padded[:2])
        if apart.any(axis=1).all():
            return box
    return None


def any_box(rng: np.random.Generator, image_size: Size) -> Float64:
    """A box of a person's proportions, of random size and place in an image."""
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
    around_centre = np.column_stack([linear, centre - linear @ centre + shift])
    return geometry.compose(around_centre, to_input), mirrored


def _stretch(rng: np.random.Generator, largest: float) -> Float64:
    """Stretches along a random direction and squeezes across it; the area stays."""
    towards = rng.uniform(0, np.pi)
    cos, sin = np.cos(towards), np.sin(towards)
    turn = np.array([[cos, -sin], [sin, cos]])
    factor = np.exp(rng.uniform(-largest, largest))
    stretched: Float64 = turn @ np.diag([factor, 1 / factor]) @ turn.T
    return stretched


def jitter_colours(rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
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


def cover_rectangle(
    rng: np.random.Generator, crop: NDArray[np.uint8], other: NDArray[np.uint8] | None = None
) -> None:
    """Cover a random rectangle of a crop, in place: with one colour, noise, or another crop.

    Cutout (arXiv 1708.04552), or CutMix (arXiv 1905.04899) where another crop is given.

    Args:
        rng: What decides where and how.
        crop: `(H, W, 3)`.
        other: A crop of another person, as large; the rectangle shows a part of it.
    """
    height, width = crop.shape[:2]
    h = int(height * rng.uniform(0.1, 0.35))
    w = int(width * rng.uniform(0.15, 0.5))
    y, x = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
    if other is not None:
        v, u = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
        crop[y : y + h, x : x + w] = other[v : v + h, u : u + w]
    elif rng.random() < 0.5:
        crop[y : y + h, x : x + w] = rng.integers(0, 256, 3, np.uint8)
    else:
        crop[y : y + h, x : x + w] = rng.integers(0, 256, (h, w, 3), np.uint8)


def paste(
    background: NDArray[np.uint8], crop: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """A crop's masked part on another one as large; `(H, W)` mask, 255 for the crop."""
    share = cv2.merge([mask] * 3).astype(np.uint16)
    mixed = crop * share + background * (255 - share)
    return ((mixed + 127) // 255).astype(np.uint8)


def blur_or_downscale(rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blur a crop, or shrink it and enlarge it again."""
    if rng.random() < 0.5:
        sigma = rng.uniform(0.5, 1.8)
        return cv2.GaussianBlur(crop, (0, 0), sigma).astype(np.uint8, copy=False)
    height, width = crop.shape[:2]
    factor = rng.uniform(0.25, 0.7)
    small = cv2.resize(crop, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height)).astype(np.uint8, copy=False)
