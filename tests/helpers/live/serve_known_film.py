"""Serves a film whose people are known, as a process of its own that can be killed.

Each frame shows one magenta square; who finds it says that it is the nose, and the other keypoints
stand around it. So pose and picture can be compared in every frame, whatever was dropped.

    python serve_known_film.py FILM --port 8080
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Size
from litepose_edge.results import Poses
from litepose_edge.skeletons import COCO_17

WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 25, 75
GROUND, SQUARE, HALF = (70, 90, 60), (255, 0, 255), 9
# Of the other keypoints from the nose.
OFFSETS = np.array(
    [
        (0, 0), (12, -14), (-12, -14), (28, -8), (-28, -8), (60, 60), (-60, 60), (90, 120),
        (-90, 120), (110, 180), (-110, 180), (40, 190), (-40, 190), (45, 260), (-45, 260),
        (50, 330), (-50, 330),
    ],
    np.float32,
)  # fmt: skip


def nose_at(index: int) -> tuple[int, int]:
    """Where the square is in a frame."""
    return 130 + 5 * index, round(70 + 30 * np.sin(index / 6))


def write_film(path: Path) -> Path:
    """The film, in MJPEG."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for index in range(FRAMES):
        frame = np.full((HEIGHT, WIDTH, 3), GROUND, np.uint8)
        x, y = nose_at(index)
        frame[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1] = SQUARE
        writer.write(frame)
    writer.release()
    return path


class KnownPeople:
    """In the place of an estimator and of its tracker: finds the square."""

    def __init__(self, score: float = 0.8) -> None:
        self.score, self._min_score = score, 0.0

    def tracker(self, **_: Any) -> KnownPeople:
        return KnownPeople(self.score)

    def set_min_score(self, min_score: float) -> None:
        self._min_score = min_score

    def update(self, image: NDArray[np.uint8], *, timestamp_s: float | None = None) -> Poses:
        return self.predict(image)

    def predict(self, image: NDArray[np.uint8], *, boxes_xyxy: Any = None) -> Poses:
        size = Size.of(image)
        blue, green, red = (image[..., channel].astype(int) for channel in range(3))
        rows, columns = np.nonzero((blue > 180) & (red > 180) & (green < 90))
        if not len(rows) or self.score < self._min_score:
            return Poses.empty(COCO_17, size)
        nose = np.array([columns.mean(), rows.mean()], np.float32)
        keypoints = nose + OFFSETS
        box = np.concatenate([keypoints.min(axis=0) - 8, keypoints.max(axis=0) + 8])
        return Poses(
            keypoints=keypoints[None],
            scores=np.full((1, 17), 0.9, np.float32),
            boxes_xyxy=box[None].astype(np.float32),
            person_scores=np.array([self.score], np.float32),
            skeleton=COCO_17,
            image_size=size,
            track_ids=np.array([1]),
        )

    def close(self) -> None:
        pass


def main() -> None:
    """Serve until a signal comes."""
    from litepose_edge.serve.options import WebOptions
    from litepose_edge.serve.stream.capture import CaptureOptions
    from litepose_edge.serve.stream.controls import Controls
    from litepose_edge.serve.stream.models import Loaded, Models
    from litepose_edge.serve.stream.service import Service, ServiceOptions
    from litepose_edge.serve.web import server
    from litepose_edge.sources import open_source

    parser = argparse.ArgumentParser()
    parser.add_argument("film")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token")
    given = parser.parse_args()
    service = Service(
        ServiceOptions(
            capture=CaptureOptions(given.film, lambda: open_source(given.film)),
            controls=Controls(),
            models=("lrpose-n", "lrpose-s", "lrpose-m"),
            pictures_per_s=2.0 * FPS,
        ),
        Models(lambda name: Loaded(name, KnownPeople(), COCO_17), "lrpose-s"),
    )
    listening = server.listen("127.0.0.1", given.port)
    address = server.url_of(listening)
    options = WebOptions(port=given.port, token=given.token)
    say = functools.partial(print, address, flush=True)
    server.Server(service, options, listening, say).run()


if __name__ == "__main__":
    main()
