"""Pictures of single people with their labels, as a training set in COCO's format."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.atomic_files import NewFile, make_folder, write_file
from litepose_edge.errors import OutputError
from litepose_edge.geometry import Size
from litepose_edge.results import Poses
from litepose_edge.scale.record import check_record, locked
from litepose_edge.scale.shards import CocoLabels, Labelled, category

IMAGES, PARTS, LABELS = "images", ".parts", "labels.json"
# Another one than that of `--out`, which may be the same folder.
LOCK = ".crops.lock"
# Room around a person's box, as a part of its longer side: augmentation turns and shifts.
MARGIN = 0.25
JPEG_QUALITY = 95


class CropWriter:
    """Writes the crops of one unit, their labels last.

    Args:
        folder: Of the training set.
        unit: Name of the unit; the pictures begin with it.
        keypoint_names: Of the model.
    """

    def __init__(self, folder: str, unit: str, keypoint_names: tuple[str, ...]) -> None:
        self._folder, self._unit = Path(folder), unit
        self._labels = CocoLabels(f"{unit} crops", keypoint_names)
        self._count = 0
        make_folder(self._folder / IMAGES)

    def add(self, image: NDArray[np.uint8], labelled: Labelled) -> None:
        """Cut the people out of a frame.

        Raises:
            OutputError: A picture cannot be written.
        """
        for i in range(len(labelled.poses)):
            part, poses = person_crop(image, labelled.poses[i : i + 1])
            if not part.size:
                continue
            self._count += 1
            name = f"{self._unit}-{self._count:06d}.jpg"
            good, content = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            if not good:
                raise OutputError(f"cannot encode {name}")
            write_file(self._folder / IMAGES / name, content.tobytes())
            extra: dict[str, Any] = {"source": labelled.source}
            if labelled.film:
                extra |= {"frame": labelled.frame, "time_s": round(labelled.time_s, 6)}
            self._labels.add_image(name, poses, extra)

    def finish(self) -> None:
        """Write the labels.

        Raises:
            OutputError: They cannot be written.
        """
        part = {"images": self._labels.images, "annotations": self._labels.annotations}
        write_file(self._folder / PARTS / f"{self._unit}.json", json.dumps(part).encode())


def person_crop(image: NDArray[np.uint8], poses: Poses) -> tuple[NDArray[np.uint8], Poses]:
    """The picture around one person, and the person in its pixels.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        poses: One person.

    Returns:
        A part of the image, empty where the box lies outside, and the person.
    """
    x1, y1, x2, y2 = poses.boxes_xyxy[0].tolist()
    margin = MARGIN * max(x2 - x1, y2 - y1)
    left, top = int(max(x1 - margin, 0)), int(max(y1 - margin, 0))
    right = int(max(min(np.ceil(x2 + margin), image.shape[1]), 0))
    bottom = int(max(min(np.ceil(y2 + margin), image.shape[0]), 0))
    part = image[top:bottom, left:right]
    shift = np.array([left, top], np.float32)
    return part, replace(
        poses,
        keypoints=poses.keypoints - shift,
        boxes_xyxy=poses.boxes_xyxy - np.tile(shift, 2),
        image_size=Size(max(right - left, 1), max(bottom - top, 1)),
    )


class CropsFolder:
    """The folder of a run's crops, as the driver sees it; one run at a time writes into it.

    Args:
        path: Made if it is not there.
        about: What decides the content, as JSON takes it.

    Raises:
        OutputError: It cannot be written, another run is writing, or its pictures were made of
            other sources, with other options or with other packages.
    """

    def __init__(self, path: str, about: dict[str, Any]) -> None:
        self._path = Path(path)
        make_folder(self._path)
        self._lock = locked(self._path / LOCK, "--crops")
        try:
            holds = (self._path / LABELS).exists() or (self._path / PARTS).exists()
            check_record(self._path, about, "--crops", holds=holds)
        except BaseException:
            self.close()
            raise

    def has(self, unit: str) -> bool:
        """Whether the crops of a unit were written; its labels are the last of them."""
        return self._part(unit).is_file()

    def remove(self, units: list[str]) -> None:
        """Remove the crops of units.

        Raises:
            OutputError: One cannot be removed.
        """
        gone = set(units)
        images = self._path / IMAGES
        try:
            for unit in gone:
                self._part(unit).unlink(missing_ok=True)
            if not gone or not images.is_dir():
                return
            with os.scandir(images) as entries:
                names = [e.name for e in entries if e.name.rpartition("-")[0] in gone]
            for name in names:
                (images / name).unlink(missing_ok=True)
        except OSError as exc:
            raise OutputError(f"cannot remove from {self._path}: {exc.strerror}") from exc

    def join(self, keypoint_names: tuple[str, ...], units: Iterator[str]) -> None:
        """Make one COCO file of the units' labels, as `join_labels` does."""
        join_labels(str(self._path), keypoint_names, units)

    def close(self) -> None:
        """Let another run write."""
        self._lock.close()

    def _part(self, unit: str) -> Path:
        return self._path / PARTS / f"{unit}.json"


def join_labels(folder: str, keypoint_names: tuple[str, ...], units: Iterator[str]) -> None:
    """Make one COCO file of the units' labels; one unit at a time is in memory.

    Args:
        folder: Of the training set.
        keypoint_names: Of the model.
        units: Names of the units, in the order of the file.

    Raises:
        OutputError: The file cannot be written.
    """
    parts = Path(folder) / PARTS
    names = list(units)
    file = NewFile(Path(folder) / LABELS)
    try:
        for position, key in enumerate(("images", "annotations")):
            file.write(f'{"{" if not position else ", "}"{key}": ['.encode())
            written = 0
            for name in names:
                for entry in _part(parts / f"{name}.json").get(key, []):
                    file.write((", \n" if written else "\n").encode() + json.dumps(entry).encode())
                    written += 1
            file.write(b"\n]")
        file.write(f', "categories": {json.dumps([category(keypoint_names)])}}}\n'.encode())
        file.commit()
    except BaseException:
        file.discard()
        raise


def _part(path: Path) -> dict[str, list[Any]]:
    try:
        found: dict[str, list[Any]] = json.loads(path.read_bytes())
    except FileNotFoundError:  # a unit without a single frame
        return {}
    return found
