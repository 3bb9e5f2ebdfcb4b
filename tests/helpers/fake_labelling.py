"""A labelling job without networks: people told by an image's pixels, and images that kill."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np

from litepose_edge import COCO_17, Poses, Size
from litepose_edge.scale import work
from litepose_edge.scale.options import LabelOptions
from litepose_edge.scale.work import Job, Labeller

# Widths of images that end the process: always, or once for each folder (a file tells).
POISON, ONCE, FAULTY = 7, 9, 11
ONCE_FILE = "died-once"


class FakeEstimator:
    """As many people as the first pixel's red says, 2 from 10 on, at the place of its blue."""

    def __init__(self, folder: str, pause_s: float) -> None:
        self._folder, self._pause_s = Path(folder), pause_s
        self.trackers = 0

    def predict(self, image):
        time.sleep(self._pause_s)
        height, width = image.shape[:2]
        if width == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        if width == ONCE and not (self._folder / ONCE_FILE).exists():
            (self._folder / ONCE_FILE).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if width == FAULTY:
            raise ZeroDivisionError("a fault\nof two lines")
        people = int(image[0, 0, 2]) if image[0, 0, 2] < 10 else 2
        place = float(image[0, 0, 0])
        x = place + np.arange(people, dtype=np.float32)[:, None] + np.arange(17, dtype=np.float32)
        keypoints = np.stack([x, x / 2], axis=-1).astype(np.float32)
        scores = np.tile(np.linspace(0, 1, 17, dtype=np.float32), (people, 1))
        boxes = np.tile(np.array([2, 3, width - 2, height - 1], np.float32), (people, 1))
        return Poses(
            keypoints=keypoints,
            scores=scores,
            boxes_xyxy=boxes,
            person_scores=np.linspace(0.9, 0.5, people, dtype=np.float32),
            skeleton=COCO_17,
            image_size=Size(width, height),
        )

    def tracker(self, **_):
        return self

    def update(self, image, *, timestamp_s):
        poses = self.predict(image)
        return Poses(
            keypoints=poses.keypoints,
            scores=poses.scores,
            boxes_xyxy=poses.boxes_xyxy,
            person_scores=poses.person_scores,
            skeleton=COCO_17,
            image_size=poses.image_size,
            track_ids=np.arange(len(poses)) + int(timestamp_s * 100),
        )

    def close(self):
        pass


class FakeJob(Job):
    """Opens the fake in the worker."""

    __slots__ = ()

    def open(self):
        folder = os.environ.get("FAKE_FOLDER", "/nowhere")
        pause_s = float(os.environ.get("FAKE_PAUSE_S", "0"))
        work._estimator = lambda options: FakeEstimator(folder, pause_s)
        return Labeller(self)


class DyingJob:
    """A worker that cannot open its networks, and dies of it."""

    def open(self):
        os.kill(os.getpid(), signal.SIGKILL)


def fake_job(options: LabelOptions) -> FakeJob:
    hashes = {"model": "0" * 64, "detector": "1" * 64}
    return FakeJob(options, "fake", tuple(COCO_17.keypoint_names), hashes)


def write_picture(path: Path, people: int = 1, place: int = 0, width: int = 16, height: int = 12):
    """A lossless picture that the fake reads."""
    image = np.zeros((height, width, 3), np.uint8)
    image[0, 0] = (place, 0, people)
    assert cv2.imwrite(str(path), image)


def write_pictures(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        write_picture(folder / f"{i:04d}.png", people=i % 3, place=i % 200)


def write_film(path: Path, frames: int = 10) -> None:
    """Grey frames, lossy; two people in each."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    assert writer.isOpened()
    for _ in range(frames):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
