"""Draws textures without people: what covered cameras send, and what detectors mistake."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Size
from litepose_export.training.core.photographs import Image


def draw_texture(rng: np.random.Generator, size: Size) -> Image:
    """A random picture, `(H, W, 3)` uint8 BGR, of one of the kinds below."""
    kinds = (_flat, _gradient, _grain, _clouds, _leaves, _leaves, _stripes)
    picture = kinds[int(rng.integers(len(kinds)))](rng, size)
    if rng.random() < 0.4:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
    return picture


def _flat(rng: np.random.Generator, size: Size) -> Image:
    colour = rng.integers(0, 256, 3, np.uint8)
    return np.broadcast_to(colour, (size.height, size.width, 3)).copy()


def _gradient(rng: np.random.Generator, size: Size) -> Image:
    corners = rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return _resized(corners, size)


def _grain(rng: np.random.Generator, size: Size) -> Image:
    grain = int(rng.integers(1, 9))
    shape = (size.height // grain, size.width // grain, 3)
    return _resized(rng.integers(0, 256, shape, np.uint8), size)


def _clouds(rng: np.random.Generator, size: Size) -> Image:
    """Noise of many scales, each fainter the finer it is: stone, grass, water."""
    total = np.zeros((size.height, size.width, 3), np.float32)
    roughness = rng.uniform(0.4, 1.1)
    for octave in range(1, 8):
        shape = (2**octave, 2**octave, 3)
        noise = rng.standard_normal(shape).astype(np.float32)
        layer = cv2.resize(noise, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
        total += layer * roughness**octave
    spread = rng.uniform(20, 80) / max(float(total.std()), 1e-6)
    return (total * spread + rng.uniform(60, 200, 3)).clip(0, 255).astype(np.uint8)


def _leaves(rng: np.random.Generator, size: Size) -> Image:
    """Dead leaves: overlapping shapes, few large and many small, with edges as in photographs."""
    picture = _clouds(rng, size) if rng.random() < 0.5 else _flat(rng, size)
    largest = rng.uniform(0.05, 0.4) * min(size.width, size.height)
    palette = rng.integers(0, 256, (int(rng.integers(2, 12)), 3))
    for _ in range(int(rng.integers(20, 250))):
        radius = max(2.0, largest * rng.power(0.7))
        centre = rng.uniform((0, 0), (size.width, size.height))
        angle = rng.uniform(0, 2 * np.pi)
        corners = int(rng.choice([3, 4, 5, 24]))
        at = angle + np.sort(rng.uniform(0, 2 * np.pi, corners))
        if corners in (4, 24):
            at = angle + np.arange(corners) * 2 * np.pi / corners
        outline = np.stack([np.cos(at), rng.uniform(0.2, 1.0) * np.sin(at)], axis=1)
        turn = rng.uniform(0, np.pi)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = (centre + radius * outline @ rotation.T).round().astype(np.int32)
        colour = palette[int(rng.integers(len(palette)))] + rng.normal(0, 12, 3)
        cv2.fillPoly(picture, [points], colour.clip(0, 255).tolist(), lineType=cv2.LINE_AA)
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.0)).astype(np.uint8)
    return picture


def _stripes(rng: np.random.Generator, size: Size) -> Image:
    """Waves along two directions: fences, bricks, tiles, cloth."""
    rows, columns = np.mgrid[: size.height, : size.width].astype(np.float32)
    total = np.zeros((size.height, size.width), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        turn, period = rng.uniform(0, np.pi), rng.uniform(6, 90)
        phase = 2 * np.pi * (columns * np.cos(turn) + rows * np.sin(turn)) / period
        wave = np.sin(phase + rng.uniform(0, 6.3))
        total += np.sign(wave) if rng.random() < 0.5 else wave
    low, high = rng.uniform(0, 255, (2, 3))
    part = (total - total.min()) / max(float(np.ptp(total)), 1e-6)
    picture = low + (high - low) * part[..., None] + rng.normal(0, 6, (*total.shape, 3))
    result: Image = picture.clip(0, 255).astype(np.uint8)
    return result


def _resized(picture: NDArray[np.uint8], size: Size) -> Image:
    return cv2.resize(picture, (size.width, size.height)).astype(np.uint8, copy=False)
