"""Stanford 40 Actions' boxes as a COCO file, to train the detector on whole photographs.

    python export/recipes/steps/stanford40_boxes.py stanford40 --out stanford40/boxes.json

The folder holds the data set as it is published: `JPEGImages/` and `XMLAnnotations/`. One person a
photograph is labelled there, the one who acts; the rest are a teacher's to find. Train with
`--images stanford40/JPEGImages`.
"""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from litepose_edge.atomic_files import write_file
from litepose_edge.errors import SourceError
from litepose_edge.skeletons import COCO_17


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the data set")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    document = coco_document(options.folder)
    write_file(options.out, json.dumps(document).encode())
    print(f"{len(document['images'])} photographs: {options.out}")


def coco_document(folder: Path) -> dict[str, Any]:
    """The boxes in COCO's format, without keypoints.

    Raises:
        SourceError: There are none, or one does not say what it should.
    """
    images, annotations = [], []
    for number, path in enumerate(sorted((folder / "XMLAnnotations").glob("*.xml")), 1):
        width, height, x1, y1, x2, y2 = _read(path)
        images.append(
            {"id": number, "file_name": f"{path.stem}.jpg", "width": width, "height": height}
        )
        # Pixels from 1 on, the last one included.
        box = [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": box})
    if not images:
        raise SourceError(f"{folder / 'XMLAnnotations'} holds no .xml files")
    person = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoint_names)}
    return {"images": images, "annotations": annotations, "categories": [person]}


def _read(path: Path) -> tuple[int, ...]:
    """Width and height of a photograph, and corners of its box, in pixels."""
    corners = (f"object/bndbox/{name}" for name in ("xmin", "ymin", "xmax", "ymax"))
    names = ("size/width", "size/height", *corners)
    try:
        root = ElementTree.fromstring(path.read_bytes())
        return tuple(int(float(root.findtext(name, ""))) for name in names)
    except (ElementTree.ParseError, ValueError) as exc:
        raise SourceError(f"{path} is no annotation of Stanford 40 Actions: {exc}") from exc


if __name__ == "__main__":
    main()
