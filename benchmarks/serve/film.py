"""A film of one person at 30 frames a second, for benchmarks of the service."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from litepose_edge.sources import read_image
from litepose_edge.sources.photographs import scikit_image_photographs

SIZE, FPS, FRAMES = (640, 480), 30, 150


def write_film(path: Path) -> Path:
    """A photograph that slowly moves to and fro behind a 640x480 window, five seconds long."""
    photograph = read_image(scikit_image_photographs() / "astronaut.png")
    wide = cv2.copyMakeBorder(photograph, 0, 0, 128, 128, cv2.BORDER_REFLECT)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for number in range(FRAMES):
        swing = np.sin(2 * np.pi * number / FRAMES)
        left, top = round(64 + 60 * swing), round(16 + 15 * swing)
        writer.write(wide[top : top + SIZE[1], left : left + SIZE[0]])
    writer.release()
    return path
