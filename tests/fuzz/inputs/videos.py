"""Videos and animations: MP4, AVI, GIF, with damage anywhere."""

from __future__ import annotations

import io
import math
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from litepose_edge.sources import open_source
from tests.fuzz.inputs.images import picture
from tests.fuzz.kinds import Answer, InputClass, digest
from tests.fuzz.mutations import mutate_bytes

WIDTH, HEIGHT, FRAMES = 64, 48, 8
MAX_PIXELS = 1_000_000
# A file of a few kilobytes that gives more is without end.
MOST_FRAMES = 2000


@cache
def _frames() -> list[np.ndarray]:
    wide = picture(WIDTH + FRAMES, HEIGHT)
    return [np.ascontiguousarray(wide[:, i : i + WIDTH]) for i in range(FRAMES)]


@cache
def _seeds() -> list[bytes]:
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for name, code in (("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("b.avi", "XVID")):
            path = Path(folder) / name
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25, (WIDTH, HEIGHT))
            for frame in _frames():
                writer.write(frame)
            writer.release()
            files.append(path.read_bytes())
    memory = io.BytesIO()
    pictures = [Image.fromarray(frame[..., ::-1].copy()) for frame in _frames()]
    pictures[0].save(memory, "GIF", save_all=True, append_images=pictures[1:], duration=40)
    return [file for file in files if file] + [memory.getvalue()]


def seeds() -> list[bytes]:
    """One a container and codec; which there are depends on the machine."""
    return _seeds()


def mutate(rng: np.random.Generator, sound: list[bytes]) -> bytes:
    """Damage in one of them."""
    return mutate_bytes(rng, sound[int(rng.integers(len(sound)))], sound)


def run(path: Path) -> Answer:
    """Read all frames as a stream does."""
    sound = path.read_bytes() in _seeds()
    source = open_source(path, max_pixels=MAX_PIXELS)
    try:
        parts: list[object] = []
        before = -math.inf
        for frame in islice(source.frames, MOST_FRAMES):
            image = frame.image
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                return Answer("", f"a frame of {image.dtype} {image.shape}")
            if image.shape[0] * image.shape[1] > MAX_PIXELS:
                return Answer("", f"a frame of {image.shape}, more than max_pixels")
            if not math.isfinite(frame.timestamp_s) or not frame.timestamp_s > before:
                return Answer("", f"a frame at {frame.timestamp_s} s after one at {before} s")
            before = frame.timestamp_s
            # FFmpeg fills what is missing in a damaged frame with what lies in its memory: other
            # pixels each time, whatever its options.
            parts += [image if sound else image.shape, frame.index, frame.timestamp_s]
    finally:
        source.close()
    if len(parts) >= 3 * MOST_FRAMES:
        return Answer("", f"{MOST_FRAMES} frames and no end")
    return Answer(digest(*parts), None if parts else "no frame and no error")


CLASS = InputClass(".video", seeds, mutate, run)
