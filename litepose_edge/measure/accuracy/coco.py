"""COCO keypoint annotations as arrays, for evaluation, calibration and training alike."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float32
from litepose_edge.measure.accuracy.coco_document import read_document

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One photograph and its people.

    Attributes:
        image_id: COCO's id.
        path: Where the photograph lies.
        boxes_xyxy: `(P, 4)` float32, edges in pixels.
        keypoints: `(P, K, 3)` float32, `(x, y, v)`; `v` is 0 unlabelled, 1 hidden, 2 visible.
        crowd: `(P,)` bool, regions that stand for many people.
    """

    image_id: int
    path: Path
    boxes_xyxy: Float32
    keypoints: Float32
    crowd: np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class CocoDataset:
    """A COCO keypoint file: its images in order, and where it came from."""

    path: Path
    keypoint_names: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return iter(self.images)


def read_coco(
    path: str | PathLike[str],
    images: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
) -> CocoDataset:
    """Read a COCO keypoint JSON; `read_document` says what is checked and filled in.

    Args:
        path: The annotation file.
        images: Folder of the photographs, or several, in which each photograph is looked for;
            `images/` beside the file unless given.

    Raises:
        SourceError: The file is missing, is no JSON, is not in COCO's keypoint format, or its
            photographs are not in these folders.
    """
    document = read_document(path)
    if document.constants:
        raise SourceError(
            f"{document.path} holds {document.constants[0]}, which JSON has not: write null"
        )
    if document.skipped:
        log.warning(
            "%s: skipped annotations whose image is not in the file: %d", path, document.skipped
        )
    folders = _folders(document.path, images)
    people: dict[int, list[dict[str, Any]]] = {entry["id"]: [] for entry in document.images}
    for annotation in document.annotations:
        people[annotation["image_id"]].append(annotation)
    count = len(document.keypoint_names)
    found = tuple(
        _image(entry["id"], _photograph(entry, folders, document.path), people[entry["id"]], count)
        for entry in document.images
    )
    if found and not any(folder.is_dir() for folder in folders):
        raise SourceError(
            f"the photographs of {document.path} are not in {folders[0]}: name their folder "
            "(--images DIR; images= of read_coco)"
        )
    return CocoDataset(document.path, document.keypoint_names, found)


def _folders(
    path: Path, images: str | PathLike[str] | Sequence[str | PathLike[str]] | None
) -> list[Path]:
    if images is None or (not isinstance(images, str | PathLike) and not len(images)):
        return [path.parent / "images"]
    return [Path(images)] if isinstance(images, str | PathLike) else [Path(i) for i in images]


def _photograph(entry: dict[str, Any], folders: list[Path], path: Path) -> Path:
    """Where the photograph lies: in the first folder that has it."""
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or "\0" in name:
        raise SourceError(
            f"{path}: image {entry['id']}: expected a file's name as `file_name`, got {name!r}"
        )
    first, *others = (folder / name for folder in folders)
    if others and not first.exists():
        return next((other for other in others if other.exists()), first)
    return first


def _image(
    image_id: int, path: Path, people: list[dict[str, Any]], keypoints: int
) -> AnnotatedImage:
    boxes = np.array([p["bbox"] for p in people], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    points = np.array([p["keypoints"] for p in people], np.float32)
    return AnnotatedImage(
        image_id=image_id,
        path=path,
        boxes_xyxy=boxes,
        keypoints=points.reshape(-1, keypoints, 3),
        crowd=np.array([p["iscrowd"] for p in people], np.bool_).reshape(-1),
    )
