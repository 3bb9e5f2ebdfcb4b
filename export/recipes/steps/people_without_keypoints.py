"""People that a detector finds in photographs, as a COCO file without keypoints.

    python export/recipes/steps/people_without_keypoints.py JPEGImages \
        --detector rtmdet_nano_person_640.onnx --out people.json

Pose networks learn from them what a teacher says of them: the last share of `train --mix`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from litepose_edge.atomic_files import write_file
from litepose_edge.boxes import box_iou
from litepose_edge.errors import SourceError
from litepose_edge.geometry import Float32
from litepose_edge.skeletons import COCO_17
from litepose_edge.threads import available_threads
from litepose_export.training.detection.pseudo_labels import detect_people, open_detector

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="of photographs")
    parser.add_argument("--detector", type=Path, required=True, help="RTMDet person detector")
    parser.add_argument("--min-score", type=float, default=0.5, help="of a person")
    parser.add_argument("--min-side", type=float, default=48.0, help="pixels, the shorter side")
    parser.add_argument("--max-overlap", type=float, default=0.7, help="IoU of two people")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = _find(options.folder, options.detector)
    document = coco_document(found, options.min_score, options.min_side, options.max_overlap)
    write_file(options.out, json.dumps(document).encode())
    people = sum(not person["iscrowd"] for person in document["annotations"])
    print(f"{len(document['images'])} photographs, {people} people: {options.out}")


def coco_document(
    found: Iterable[tuple[str, tuple[int, int], Float32]],
    min_score: float,
    min_side_px: float,
    max_overlap: float,
) -> dict[str, Any]:
    """The photographs that show someone, in COCO's format.

    People to learn from are large and surely there, and not nearly the same box as a surer one;
    all others are marked as crowds: whatever is in them is not background.

    Args:
        found: Of each photograph its name, height and width, and `(P, 5)` boxes and scores.
        min_score: Of people to learn from.
        min_side_px: Of the shorter side of their boxes.
        max_overlap: IoU of two of them.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for name, (height, width), people in found:
        corners = people[:, :4].clip(0, [width, height, width, height])
        extent = corners[:, 2:] - corners[:, :2]
        wanted = (people[:, 4] >= min_score) & (extent.min(axis=1) >= min_side_px)
        overlap = np.tril(box_iou(corners, corners), -1)
        wanted &= ~(overlap * wanted > max_overlap).any(axis=1)
        if not wanted.any():
            continue
        number = len(images) + 1
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for (x, y), (w, h), is_wanted in zip(corners[:, :2], extent, wanted, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [round(float(n), 1) for n in (x, y, w, h)],
                    "area": round(0.53 * float(w * h), 1),
                    "iscrowd": int(not is_wanted),
                    "num_keypoints": 0,
                    "keypoints": [0] * (3 * len(COCO_17)),
                }
            )
    person = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoint_names)}
    return {"images": images, "annotations": annotations, "categories": [person]}


def _find(folder: Path, detector: Path) -> list[tuple[str, tuple[int, int], Float32]]:
    """Of each readable photograph its name, height and width, and `(P, 5)` people, surest first.

    Raises:
        SourceError: The folder holds none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SourceError(f"{folder} holds no photographs ({', '.join(sorted(SUFFIXES))})")
    session = open_detector(detector)

    def look(path: Path) -> tuple[str, tuple[int, int], Float32] | None:
        image = cv2.imread(str(path))
        if image is None:
            return None
        (people,) = detect_people([image.astype(np.uint8)], session, lambda: None)
        return str(path.relative_to(folder)), (image.shape[0], image.shape[1]), people

    with ThreadPoolExecutor(available_threads()) as pool:
        return [entry for entry in pool.map(look, paths) if entry is not None]


if __name__ == "__main__":
    main()
