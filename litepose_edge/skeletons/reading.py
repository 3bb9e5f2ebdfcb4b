"""Reads keypoint sets from JSON files: COCO's categories, and a form of our own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from litepose_edge.atomic_files import read_file
from litepose_edge.errors import SkeletonError, SourceError
from litepose_edge.skeletons.known import KNOWN
from litepose_edge.skeletons.skeleton import Skeleton, side_of

# Of keypoints for which no one has measured how far annotators differ: between COCO's eyes
# (.025) and hips (.107).
DEFAULT_SIGMA = 0.05
OWN_FIELDS = ("name", "keypoint_names", "bones", "flip_pairs", "oks_sigmas")
Pair = tuple[int, int]


def read_coco_skeleton(path: str | PathLike[str], name: str | None = None) -> Skeleton:
    """See `Skeleton.from_coco`."""
    path = Path(path)
    return _from_coco(_document(path), path, name)


def read_skeleton(path: str | PathLike[str]) -> Skeleton:
    """See `Skeleton.from_file`."""
    path = Path(path)
    document = _document(path)
    if "categories" in document:
        return _from_coco(document, path, None)
    unknown = sorted(set(document) - set(OWN_FIELDS))
    if unknown or "keypoint_names" not in document:
        raise SkeletonError(
            f"{path} is no keypoint set: expected {', '.join(OWN_FIELDS)} (keypoint_names at "
            f"least) or a COCO keypoint file, got {', '.join(sorted(document)[:8]) or 'nothing'}"
        )
    names = _names(document["keypoint_names"], path)
    count = len(names)
    flips = document.get("flip_pairs")
    return Skeleton(
        name=_name(document.get("name", path.stem), path),
        keypoint_names=names,
        bones=_pairs(document.get("bones") or [], count, 0, "bones", path),
        flip_pairs=pairs_by_name(names) if flips is None else _flips(flips, count, path),
        oks_sigmas=_sigmas(document.get("oks_sigmas"), count, path)
        or _known_sigmas(names)
        or (DEFAULT_SIGMA,) * count,
    )


def pairs_by_name(names: Sequence[str]) -> tuple[Pair, ...]:
    """Pairs of keypoints whose names differ in left and right alone, the left one first."""
    index = {_without_side(name): i for i, name in enumerate(names) if side_of(name) == "right"}
    found = []
    for i, name in enumerate(names):
        other = index.get(_without_side(name))
        if side_of(name) == "left" and other is not None:
            found.append((i, other))
    return tuple(found)


def _without_side(name: str) -> str:
    words = re.split(r"[\s_.\-]+", name.lower())
    return " ".join("*" if word in ("left", "right", "l", "r") else word for word in words)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_file(path).decode("utf-8-sig"))
    except OSError as exc:
        raise SourceError(f"cannot read {path}: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise SkeletonError(f"{path} is no keypoint set: expected JSON ({exc})") from exc
    if not isinstance(document, dict):
        raise SkeletonError(f"{path} is no keypoint set: expected a JSON object")
    return document


def _from_coco(document: dict[str, Any], path: Path, name: str | None) -> Skeleton:
    categories = document.get("categories")
    with_keypoints = [
        category
        for category in (categories if isinstance(categories, list) else [])
        if isinstance(category, dict) and category.get("keypoints")
    ]
    if not with_keypoints:
        raise SkeletonError(f"{path} has no category with `keypoints`: no keypoint set to read")
    category = with_keypoints[0]
    names = _names(category["keypoints"], path)
    if any(list(other["keypoints"]) != list(names) for other in with_keypoints[1:]):
        raise SkeletonError(
            f"{path} has categories with different `keypoints`: leave one set in the file"
        )
    count = len(names)
    known = next((s for s in KNOWN if s.keypoint_names == names), None)
    return Skeleton(
        name=_name(name or (known.name if known else path.stem), path),
        keypoint_names=names,
        bones=_pairs(category.get("skeleton") or [], count, 1, "skeleton", path)
        or (known.bones if known else ()),
        flip_pairs=known.flip_pairs if known else pairs_by_name(names),
        oks_sigmas=_sigmas(category.get("sigmas"), count, path)
        or _known_sigmas(names)
        or (DEFAULT_SIGMA,) * count,
    )


def _known_sigmas(names: tuple[str, ...]) -> tuple[float, ...]:
    return next((s.oks_sigmas for s in KNOWN if s.keypoint_names == names), ())


def _name(given: Any, path: Path) -> str:
    if not isinstance(given, str) or not given.strip():
        raise SkeletonError(f"{path}: `name` must be a name, got {given!r}")
    return given


def _names(given: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(given, list) or not given:
        raise SkeletonError(f"{path}: keypoint names must be a list of at least one")
    for name in given:
        if not isinstance(name, str) or not name.strip():
            raise SkeletonError(f"{path}: a keypoint's name must be a text, got {name!r}")
    repeated = sorted({name for name in given if given.count(name) > 1})
    if repeated:
        raise SkeletonError(f"{path}: keypoint names must differ, '{repeated[0]}' comes twice")
    return tuple(given)


def _pairs(given: Any, count: int, first: int, what: str, path: Path) -> tuple[Pair, ...]:
    """Pairs of indices counted from `first`; COCO files that count from 0 show it by a 0."""
    if not isinstance(given, list):
        raise SkeletonError(f"{path}: `{what}` must be a list of pairs of keypoint numbers")
    for pair in given:
        numbers = isinstance(pair, list) and all(type(number) is int for number in pair)
        if not numbers or len(pair) != 2:
            raise SkeletonError(f"{path}: `{what}` holds {pair!r}, expected two keypoint numbers")
    lowest = min((number for pair in given for number in pair), default=first)
    start = 0 if lowest == 0 else first
    for pair in given:
        if not all(start <= number < start + count for number in pair):
            raise SkeletonError(
                f"{path}: `{what}` holds {pair}, expected numbers {start} to {start + count - 1} "
                f"of {count} keypoints"
            )
    return tuple((a - start, b - start) for a, b in given)


def _flips(given: Any, count: int, path: Path) -> tuple[Pair, ...]:
    pairs = _pairs(given, count, 0, "flip_pairs", path)
    used = [number for pair in pairs for number in pair]
    if len(set(used)) < len(used):
        raise SkeletonError(f"{path}: a keypoint can be in one of `flip_pairs` only")
    return pairs


def _sigmas(given: Any, count: int, path: Path) -> tuple[float, ...]:
    """Sigmas as given, checked; none if none were."""
    if given is None:
        return ()
    numbers = isinstance(given, list) and all(type(s) in (int, float) for s in given)
    if not numbers or len(given) != count:
        raise SkeletonError(f"{path}: sigmas must be {count} numbers, one a keypoint")
    if not all(math.isfinite(sigma) and sigma > 0 for sigma in given):
        raise SkeletonError(f"{path}: sigmas must be finite and above 0")
    return tuple(float(sigma) for sigma in given)
