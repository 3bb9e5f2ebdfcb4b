"""Rough masks of labelled people, for copy-paste augmentation.

GrabCut (Rother et al., SIGGRAPH 2004; OpenCV's) from the skeleton: what lies along the limbs is
the person, what lies outside the box or along another person's limbs is not.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge.atomic_files import replacing
from litepose_edge.geometry import Float32, Float64
from litepose_export.errors import ExportError
from litepose_export.training.core.photographs import Image
from litepose_export.training.data.array_file import MADE_AGAIN, read_arrays
from litepose_export.training.data.people import People

LONGEST_PX = 160
# COCO keypoints.
LIMBS = ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16))
TORSO = (5, 6, 12, 11)
FACE = (0, 1, 2, 3, 4)
# A head's width as a part of shoulders, trunk and thighs.
HEADS = ((5, 6, 0.45), (5, 11, 0.32), (6, 12, 0.32), (11, 13, 0.4), (12, 14, 0.4))
MIN_JOINTS = 6  # labelled; with fewer a skeleton says too little
ITERATIONS = 3


@dataclass(frozen=True, slots=True)
class PersonMasks:
    """Which pixels of the photographs belong to which person.

    Attributes:
        maps: For each photograph `(H, W)` uint8, the id of the person there, 0 for background.
        person_ids: `(N,)` uint8, the id of each person in their photograph's map, 0 where no mask
            was found.
    """

    maps: tuple[NDArray[np.uint8], ...]
    person_ids: NDArray[np.uint8]


def segment_people(people: People, progress: Callable[[], None]) -> PersonMasks:
    """Masks of all people; where two overlap, the smaller one keeps the pixels.

    Args:
        people: Whom to segment.
        progress: Called after each person, from several threads.
    """
    person_ids = np.zeros(len(people), np.uint8)
    members: list[list[int]] = [[] for _ in people.images]
    for person, photograph in enumerate(people.image_index):
        members[photograph].append(person)

    def segment(photograph: int) -> NDArray[np.uint8]:
        image, here = people.images[photograph], members[photograph]
        masks = []
        for person in here:
            others = people.keypoints[[p for p in here if p != person]]
            box, keypoints = people.boxes_xyxy[person], people.keypoints[person]
            found = segment_person(image, box, keypoints, others)
            if found is not None:
                masks.append((int(found.sum()), person, found))
            progress()
        drawn = np.zeros(image.shape[:2], np.uint8)
        for number, (_, person, found) in enumerate(sorted(masks, reverse=True)[:255], 1):
            drawn[found], person_ids[person] = number, number
        return drawn

    with ThreadPoolExecutor() as pool:
        maps = tuple(pool.map(segment, range(len(people.images))))
    return PersonMasks(maps, person_ids)


def save_person_masks(masks: PersonMasks, path: Path, made_of: str) -> None:
    """Write masks to an `.npz`, their maps as PNG.

    Args:
        masks: What to keep.
        path: The file.
        made_of: `hash_people` of the people.
    """
    blobs = [cv2.imencode(".png", drawn)[1] for drawn in masks.maps]
    ends = np.cumsum([len(blob) for blob in blobs])
    with replacing(path) as partial:
        np.savez(
            partial,
            png=np.concatenate(blobs),
            png_ends=ends,
            person_ids=masks.person_ids,
            made_of=made_of,
        )


def load_person_masks(path: Path, made_of: str) -> PersonMasks | None:
    """Read what `save_person_masks` wrote.

    Args:
        path: The file.
        made_of: `hash_people` of the people.

    Returns:
        None if it was written of other people, or by an older version.

    Raises:
        ExportError: The file is damaged.
    """
    stored = read_arrays(path, ("png", "png_ends", "person_ids"), MADE_AGAIN)
    if stored.get("made_of") != made_of:
        return None
    blobs = np.split(stored["png"], stored["png_ends"][:-1])
    return PersonMasks(tuple(_unpacked(blob) for blob in blobs), stored["person_ids"])


def _unpacked(png: NDArray[np.uint8]) -> NDArray[np.uint8]:
    drawn = cv2.imdecode(png, cv2.IMREAD_GRAYSCALE)
    if drawn is None:
        raise ExportError("a file of person masks holds a damaged map")
    return drawn.astype(np.uint8, copy=False)


def segment_person(
    image: Image, box_xyxy: Float32, keypoints: Float32, others: Float32
) -> NDArray[np.bool_] | None:
    """`(H, W)` bool, a person's pixels in a photograph; None where no plausible mask is found.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        box_xyxy: `(4,)` of the person.
        keypoints: `(17, 3)` COCO `(x, y, v)`.
        others: `(P, 17, 3)` of other people in the photograph.
    """
    if (keypoints[:, 2] > 0).sum() < MIN_JOINTS:
        return None
    extent = box_xyxy[2:] - box_xyxy[:2]
    limits = np.array([image.shape[1], image.shape[0]])
    low = np.floor(box_xyxy[:2] - 0.2 * extent).astype(int).clip(0)
    high = np.minimum(np.ceil(box_xyxy[2:] + 0.2 * extent).astype(int), limits)
    if (high - low).min() < 16:
        return None
    part = image[low[1] : high[1], low[0] : high[0]]
    scale = min(1.0, LONGEST_PX / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    labels = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    x1, y1 = ((box_xyxy[:2] - 0.04 * extent - low) * scale).round().astype(int).clip(0)
    x2, y2 = ((box_xyxy[2:] + 0.04 * extent - low) * scale).round().astype(int)
    labels[y1:y2, x1:x2] = cv2.GC_PR_BGD
    for other in others:
        _draw(labels, _moved(other, low, scale), cv2.GC_BGD, 0.5)
    own = _moved(keypoints, low, scale)
    _draw(labels, own, cv2.GC_PR_FGD, 1.6)
    _draw(labels, own, cv2.GC_FGD, 0.5)
    behind, before = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # of this thread: the same person has the same mask every time
    try:
        cv2.grabCut(small, labels, (0, 0, 1, 1), behind, before, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # all pixels of one kind
        return None
    kept = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found = cv2.medianBlur(kept * 255, 5)
    if not _plausible(found > 0, own):
        return None
    whole = np.zeros(image.shape[:2], np.bool_)
    size = (high - low).tolist()
    whole[low[1] : high[1], low[0] : high[0]] = cv2.resize(found, size) > 127
    return whole


def _moved(keypoints: Float32, low: NDArray[np.int64], scale: float) -> Float64:
    moved = keypoints.astype(np.float64)
    moved[:, :2] = (moved[:, :2] - low + 0.5) * scale - 0.5
    return moved


def _draw(labels: NDArray[np.uint8], keypoints: Float64, value: int, width: float) -> None:
    """Limbs, torso and head of a skeleton, `width` times as thick as usual."""
    seen, at = keypoints[:, 2] > 0, keypoints[:, :2]
    torso = [i for i in TORSO if seen[i]]
    size = _head_size(keypoints)
    thick = max(round(0.6 * width * size), 1)
    if len(torso) >= 3:
        cv2.fillPoly(labels, [at[torso].round().astype(np.int32)], value)
    for a, b in LIMBS:
        if seen[a] and seen[b]:
            start, end = (tuple(at[i].round().astype(int).tolist()) for i in (a, b))
            cv2.line(labels, start, end, value, thick)
    face = [i for i in FACE if seen[i]]
    if face:
        centre = at[face].mean(axis=0)
    elif seen[[5, 6, 11, 12]].all():
        neck, hips = at[[5, 6]].mean(axis=0), at[[11, 12]].mean(axis=0)
        up = (neck - hips) / max(float(np.linalg.norm(neck - hips)), 1.0)
        centre = neck + 1.1 * size * up
    else:
        return
    radius = max(round(0.55 * width * size), 1)
    cv2.circle(labels, tuple(centre.round().astype(int).tolist()), radius, value, -1)


def _head_size(keypoints: Float64) -> float:
    """Pixels a head is wide, from whatever of the body is seen."""
    seen, at = keypoints[:, 2] > 0, keypoints[:, :2]
    lengths = [
        float(np.linalg.norm(at[a] - at[b])) * factor
        for a, b, factor in HEADS
        if seen[a] and seen[b]
    ]
    return float(np.clip(np.max(lengths, initial=3.0), 3.0, 0.35 * LONGEST_PX))


def _plausible(found: NDArray[np.bool_], keypoints: Float64) -> bool:
    """Whether a mask holds most of the joints, and is neither almost empty nor almost full."""
    seen = keypoints[keypoints[:, 2] > 0, :2].round().astype(int)
    height, width = found.shape
    inside = ((seen >= 0) & (seen < [width, height])).all(axis=1)
    held = found[seen[inside, 1], seen[inside, 0]]
    return bool(len(held) > 0 and held.mean() >= 0.8 and 0.06 < found.mean() < 0.75)
