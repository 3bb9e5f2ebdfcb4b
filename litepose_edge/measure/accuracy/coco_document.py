"""Reads a COCO keypoint file, checks every label, and fills in what tools leave out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from litepose_edge.atomic_files import read_file
from litepose_edge.errors import SourceError

# All labels are of one category; results in COCO's format call it 1.
CATEGORY = 1
# Far above any coordinate or area, and sums and products of two stay finite.
LARGEST = 1e15
# Tables written by other programs hold 7.0 for 7; some tools use names.
Id = int | float | str


@dataclass(frozen=True, slots=True)
class CocoDocument:
    """A checked COCO keypoint file, in the form that pycocotools takes.

    Attributes:
        path: Where it was read.
        keypoint_names: Of the categories with keypoints.
        images: Entries as they were, `id` an integer.
        annotations: Those of people in these images: `image_id`, `bbox`, `keypoints` (zeros where
            there were none), `num_keypoints`, `area`, `iscrowd`, ids from 1 on, one category.
        origins: What each annotation is called in the file, for messages.
        skipped: Annotations whose image the file does not list.
        constants: NaN and infinities, which JSON has not, in what is no label.
    """

    path: Path
    keypoint_names: tuple[str, ...]
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    origins: list[str]
    skipped: int
    constants: tuple[str, ...] = ()

    def to_coco(self) -> dict[str, Any]:
        """A copy as pycocotools takes it: it writes into the annotations."""
        return {
            "images": self.images,
            "annotations": [dict(annotation) for annotation in self.annotations],
            "categories": [
                {"id": CATEGORY, "name": "person", "keypoints": list(self.keypoint_names)}
            ],
        }


def read_document(path: str | PathLike[str]) -> CocoDocument:
    """Read and check a COCO keypoint JSON.

    The categories are those with `keypoints`; annotations of others, and those whose image is not
    listed, are left out. `area` is the box's where it is missing, `iscrowd` 0, `num_keypoints`
    counted, `category_id` the only one there is.

    Raises:
        SourceError: The file is missing, is no JSON, or a label is not what it should be; the
            message names the annotation.
    """
    path = Path(path)
    document, constants = _load(path)
    categories, names = _keypoint_categories(_entries(document, "categories", path), path)
    images, numbers = _images(_entries(document, "images", path), path)
    annotations: list[dict[str, Any]] = []
    origins, skipped = [], 0
    for position, annotation in enumerate(_entries(document, "annotations", path)):
        origin = f"annotation {annotation.get('id', f'at position {position}')}"
        category, number = annotation.get("category_id"), annotation.get("image_id")
        if not isinstance(category, Id | None):
            raise SourceError(f"{path}: {origin}: expected a number as `category_id`")
        if category is not None and category not in categories:
            continue
        if not isinstance(number, Id) or number not in numbers:
            skipped += 1
            continue
        origins.append(origin)
        annotations.append(
            {
                **annotation,
                **_person(annotation, len(names), f"{path}: {origin}"),
                # From 1 on: pycocotools takes a match with annotation 0 for none.
                "id": len(annotations) + 1,
                "image_id": numbers[number],
                "category_id": CATEGORY,
            }
        )
    return CocoDocument(path, names, images, annotations, origins, skipped, tuple(constants))


def finite_numbers(given: Any, count: int, what: str, where: str) -> list[float]:
    """A list of so many numbers of a size that can be meant.

    Raises:
        SourceError: It is something else.
    """
    numbers = f"{count} finite numbers" if count > 1 else "a finite number"
    expected = f"{where}: expected {numbers} as `{what}`"
    if not isinstance(given, list):
        raise SourceError(f"{expected}, got {_shown(given)}")
    if len(given) != count:
        raise SourceError(f"{expected}, got {len(given)}")
    for value in given:
        # NaN is not below any bound; an integer may be too large for any float.
        if type(value) not in (int, float) or not -LARGEST <= value <= LARGEST:
            among = " among them" if count > 1 else ""
            raise SourceError(f"{expected}, got {_shown(value)}{among}")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice[:80]!r} stands twice in one object")
    return entry


def _load(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The document, and what in it JSON does not have: NaN and infinities."""
    constants: list[str] = []

    def number(constant: str) -> float:
        constants.append(constant)
        return float(constant)

    try:
        document = json.loads(
            read_file(path).decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=number
        )
    except OSError as exc:
        raise SourceError(f"cannot read annotations {path}: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise SourceError(f"{path} is not a COCO keypoint file: it is no JSON ({exc})") from exc
    if not isinstance(document, dict):
        raise SourceError(
            f"{path} is not a COCO keypoint file: expected an object with images, annotations "
            f"and categories, got {_shown(document)}"
        )
    return document, constants


def _entries(document: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    entries = document.get(name)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SourceError(
            f"{path} is not a COCO keypoint file: expected a list of objects as `{name}`, "
            f"got {_shown(entries)}"
        )
    return entries


def _keypoint_categories(
    categories: list[dict[str, Any]], path: Path
) -> tuple[set[Any], tuple[str, ...]]:
    """Ids of the categories with keypoints, and the keypoints' names."""
    found = [category for category in categories if category.get("keypoints")]
    for category in found:
        names = category["keypoints"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SourceError(
                f"{path}: expected a list of names as `keypoints` of a category, "
                f"got {_shown(names)}"
            )
        if not isinstance(category.get("id"), Id):
            raise SourceError(f"{path}: expected a number as `id` of a category")
    if not found:
        raise SourceError(
            f"{path} is not a COCO keypoint file: none of its categories has `keypoints`"
        )
    names = found[0]["keypoints"]
    if not all(names):
        raise SourceError(f"{path}: expected a name for each of the `keypoints` of a category")
    if any(category["keypoints"] != found[0]["keypoints"] for category in found[1:]):
        raise SourceError(f"{path} has categories with different `keypoints`: leave one set in it")
    return {category["id"] for category in found}, tuple(found[0]["keypoints"])


def _images(images: list[dict[str, Any]], path: Path) -> tuple[list[dict[str, Any]], dict[Id, int]]:
    """The images, and the number of each by the id that annotations use."""
    ids: list[Id] = []
    for image in images:
        number = image.get("id")
        if not isinstance(number, Id) or number != number:
            raise SourceError(f"{path}: expected a number as `id` of an image, got {number!r}")
        ids.append(number)
    numbered = all(type(number) is int for number in ids)
    numbers = {number: int(number) if numbered else i for i, number in enumerate(ids, 1)}
    if len(numbers) < len(ids):
        repeated = next(number for number in ids if ids.count(number) > 1)
        raise SourceError(f"{path}: two images have the id {repeated}; ids must differ")
    return [{**image, "id": numbers[image["id"]]} for image in images], numbers


def _person(annotation: dict[str, Any], keypoints: int, where: str) -> dict[str, Any]:
    """The fields that are scored, checked and filled in."""
    box = finite_numbers(annotation.get("bbox"), 4, "bbox", where)
    points = annotation.get("keypoints")
    if not points:
        points = [0] * (3 * keypoints)
    points = finite_numbers(points, 3 * keypoints, "keypoints", where)
    for visibility in points[2::3]:
        if visibility not in (0, 1, 2):
            raise SourceError(
                f"{where}: expected 0 (not labelled), 1 (hidden) or 2 (visible) as every third "
                f"number of `keypoints`, got {_shown(visibility)}"
            )
    labelled = sum(visibility > 0 for visibility in points[2::3])
    count = annotation.get("num_keypoints")
    count = labelled if count is None else count
    if type(count) not in (int, float) or not 0 <= count <= LARGEST:
        raise SourceError(f"{where}: expected a count as `num_keypoints`, got {_shown(count)}")
    # People whose keypoints are not labelled are never cropped, and may be as thin as a line.
    if min(box[2:]) < 0 or (labelled and min(box[2:]) == 0):
        raise SourceError(f"{where}: expected a `bbox` of positive width and height, got {box}")
    crowd = annotation.get("iscrowd") or 0
    if crowd not in (0, 1):
        raise SourceError(f"{where}: expected 0 or 1 as `iscrowd`, got {_shown(crowd)}")
    area = annotation.get("area")
    if area is None:
        area = float(box[2]) * float(box[3])
    elif finite_numbers([area], 1, "area", where)[0] < 0:
        raise SourceError(f"{where}: expected a positive `area`, got {area}")
    return {
        "bbox": box,
        "keypoints": points,
        "num_keypoints": int(count),
        "iscrowd": int(crowd),
        "area": area,
    }


def _shown(value: Any) -> str:
    """A value for a message, however long it is."""
    text = "nothing" if value is None else type(value).__name__
    if isinstance(value, bool | int | float | str):
        try:
            text = repr(value)
        except ValueError:  # Python does not print integers of thousands of digits
            text = "a number too large"
    return text if len(text) <= 40 else f"{text[:37]}..."
