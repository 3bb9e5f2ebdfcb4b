"""Reads COCO keypoint annotations into arrays; the project's only COCO reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float32


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


def read_coco(path: str | PathLike[str], images: str | PathLike[str] | None = None) -> CocoDataset:
    """Read a COCO keypoint JSON.

    Args:
        path: The annotation file.
        images: Folder of the photographs; `images/` beside the file unless given.

    Raises:
        SourceError: The file is missing, is no JSON, or is not in COCO's keypoint format.
    """
    path = Path(path)
    folder = path.parent / "images" if images is None else Path(images)
    try:
        document = json.loads(path.read_text("utf-8"))
        names = tuple(document["categories"][0]["keypoints"])
        people: dict[int, list[dict[str, object]]] = {e["id"]: [] for e in document["images"]}
        for annotation in document["annotations"]:
            people[annotation["image_id"]].append(annotation)
        found = tuple(
            _image(e["id"], folder / e["file_name"], people[e["id"]], len(names))
            for e in document["images"]
        )
    except OSError as exc:
        raise SourceError(f"cannot read annotations {path}: {exc.strerror}") from exc
    except (ValueError, KeyError, IndexError, TypeError) as exc:
        raise SourceError(f"{path} is not a COCO keypoint file: {exc!r}") from exc
    return CocoDataset(path, names, found)


def _image(
    image_id: int, path: Path, people: list[dict[str, object]], keypoints: int
) -> AnnotatedImage:
    boxes = np.array([p["bbox"] for p in people], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    points = [p.get("keypoints") or [0.0] * (3 * keypoints) for p in people]
    return AnnotatedImage(
        image_id=image_id,
        path=path,
        boxes_xyxy=boxes,
        keypoints=np.array(points, np.float32).reshape(-1, keypoints, 3),
        crowd=np.array([bool(p.get("iscrowd", 0)) for p in people], np.bool_).reshape(-1),
    )
