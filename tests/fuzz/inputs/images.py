"""Image files: JPEG, PNG, BMP, TIFF, WebP, GIF, PPM, with damage anywhere."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from litepose_edge.sources import read_image
from tests.fuzz.kinds import Answer, InputClass, digest
from tests.fuzz.mutations import mutate_bytes

MAX_PIXELS = 1_000_000


def picture(width: int = 48, height: int = 36) -> np.ndarray:
    """A smooth `(H, W, 3)` uint8 picture with a little noise."""
    rng = np.random.default_rng(7)
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 120, width))
    return (ramp[..., None] + rng.integers(0, 12, (height, width, 3))).astype(np.uint8)


def seeds() -> list[bytes]:
    """One file a format and variant."""
    bgr = picture()
    files = [
        cv2.imencode(suffix, array, options)[1].tobytes()
        for suffix, array, options in (
            (".jpg", bgr, ()),
            (".jpg", bgr, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
            (".jpg", bgr, (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
            (".png", bgr, ()),
            (".png", bgr[..., 0], ()),
            (".png", np.dstack([bgr, bgr[..., :1]]), ()),
            (".png", bgr.astype(np.uint16) * 257, ()),
            (".bmp", bgr, ()),
            (".tiff", bgr, ()),
            (".webp", bgr, ()),
            (".ppm", bgr, ()),
        )
    ]
    return files + _by_pillow(Image.fromarray(bgr[..., ::-1].copy()))


def _by_pillow(image: Image.Image) -> list[bytes]:
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    files = []
    for made, options in (
        (image, {"format": "JPEG", "exif": exif}),
        (image.convert("P"), {"format": "PNG"}),
        (image, {"format": "TIFF", "compression": "tiff_lzw"}),
        (image, {"format": "TIFF", "compression": "tiff_adobe_deflate"}),
        (image, {"format": "TIFF", "compression": "packbits"}),
        (image, {"format": "WEBP", "lossless": True}),
        (image, {"format": "WEBP", "exif": exif}),
        (image.convert("LA").convert("RGBA"), {"format": "WEBP"}),
        (image.convert("P"), {"format": "GIF"}),
    ):
        memory = io.BytesIO()
        made.save(memory, **options)
        files.append(memory.getvalue())
    return files


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Damage in one of them."""
    return mutate_bytes(rng, sound[int(rng.integers(len(sound)))], sound)


def run(path: Path) -> Answer:
    """Read it as the estimator's sources do."""
    image = read_image(path, max_pixels=MAX_PIXELS)
    complaint = None
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        complaint = f"an image of {image.dtype} {image.shape}"
    elif image.shape[0] * image.shape[1] > MAX_PIXELS:
        complaint = f"an image of {image.shape}, more than max_pixels"
    return Answer(digest(image), complaint)


def refused_by(content: bytes) -> str | None:
    """Pillow's verdict after decoding all of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Image.open(io.BytesIO(content)).load()
        except Exception as exc:  # noqa: BLE001 - whatever it raises, it refuses
            return f"Pillow: {type(exc).__name__}: {exc}"
    return None


CLASS = InputClass(".img", seeds, mutate, run, refused_by)
