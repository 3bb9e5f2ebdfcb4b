"""Which people go wrong: how well poses fit by what people are like, and the worst ones drawn.

    python -m benchmarks.analysis.failures dev.json [--model lrpose-s] [--precision int8]
        [--sheet worst.png] [--count 48] [--json FILE]

All people with labels, each in the labelled box. A person's fit is the mean similarity of the
labelled keypoints (`score_reliability.keypoint_similarity`), as in OKS. The sheet is for looking
at, not for publishing: the photographs of the evaluation data may not be passed on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import COCO_17, Estimator
from litepose_edge.drawing import draw_people
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset, read_coco
from litepose_edge.measure.accuracy.score_reliability import keypoint_similarity
from litepose_edge.sources import read_image

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
TILE = 192  # side of a square of the sheet, in pixels
MISTAKEN = 0.25  # so much better must a pose fit other labels to be a mistake of that kind
SHOULDERS, HIPS = (5, 6), (11, 12)
JOINTS = {
    "face": (0, 1, 2, 3, 4),
    "shoulders": SHOULDERS,
    "elbows": (7, 8),
    "wrists": (9, 10),
    "hips": HIPS,
    "knees": (13, 14),
    "ankles": (15, 16),
}


@dataclass(frozen=True, slots=True)
class PersonFit:
    """One person and how well the pose fits.

    Attributes:
        image_id: Of the photograph.
        box_xyxy: The person's own box.
        fit: Mean similarity of the labelled keypoints, in `[0, 1]`.
        near: Similarity of each keypoint; NaN where it has no label.
        mistake: "left for right" where the pose fits the labels with sides exchanged by
            `MISTAKEN` better, "another person" where it fits another person's so, or "no".
        traits: What the person is like: `traits_of`.
    """

    image_id: int
    box_xyxy: tuple[float, float, float, float]
    fit: float
    near: tuple[float, ...]
    mistake: str
    traits: dict[str, str]


@dataclass(frozen=True, slots=True)
class Group:
    """People who have something in common.

    Attributes:
        trait: Of what kind.
        value: What they have in common.
        people: How many.
        fit: Mean fit.
        half: Part of them that fits at 0.5 or better.
        good: At 0.75 or better.
    """

    trait: str
    value: str
    people: int
    fit: float
    half: float
    good: float


def main() -> None:
    """Measure, print both tables, draw the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="COCO keypoint JSON")
    parser.add_argument("--model", default="lrpose-s")
    parser.add_argument("--precision", choices=("int8", "fp32"))
    parser.add_argument("--sheet", type=Path, help="PNG of the people that fit worst")
    parser.add_argument("--count", type=int, default=48, help="people on the sheet")
    parser.add_argument("--json", type=Path, help="write groups and joints here")
    options = parser.parse_args()
    dataset = read_coco(options.data)
    with Estimator(options.model, precision=options.precision, detector=None) as estimator:
        people = measure(estimator, dataset)
        groups, joints = group(people), by_joint(people)
        if options.sheet:
            worst = sorted(people, key=lambda person: person.fit)[: options.count]
            cv2.imwrite(str(options.sheet), sheet(estimator, dataset, worst))
    print(f"{'':32}{'people':>7}{'fit':>7}{'>= .5':>7}{'>= .75':>8}")
    for row in groups:
        name = f"{row.trait}: {row.value}" if row.value else row.trait
        print(f"{name:32}{row.people:7d}{row.fit:7.2f}{row.half:7.2f}{row.good:8.2f}")
    print("\npart of labelled keypoints that is right:")
    print(", ".join(f"{name} {part:.2f}" for name, part in joints.items()))
    if options.json:
        found = {"groups": [asdict(row) for row in groups], "joints": joints}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def measure(estimator: Estimator, dataset: CocoDataset) -> list[PersonFit]:
    """All people with labels, in the order of the file."""
    people = []
    for image in dataset:
        chosen = np.flatnonzero((image.keypoints[..., 2] > 0).any(axis=1) & ~image.crowd)
        if not len(chosen):
            continue
        pixels = read_image(image.path, upright=False)
        poses = estimator.predict(pixels, boxes_xyxy=image.boxes_xyxy[chosen])
        labels, boxes = image.keypoints[chosen], image.boxes_xyxy[chosen]
        for number, (index, pose) in enumerate(zip(chosen, poses.keypoints, strict=True)):
            near = _near(pose, labels[number], boxes[number])
            fit = float(np.nanmean(near))
            x1, y1, x2, y2 = boxes[number].tolist()
            people.append(
                PersonFit(
                    image_id=image.image_id,
                    box_xyxy=(x1, y1, x2, y2),
                    fit=fit,
                    near=tuple(near.tolist()),
                    mistake=_mistake(pose, number, labels, boxes, fit),
                    traits=traits_of(image, int(index), pixels),
                )
            )
    return people


def _near(
    pose: NDArray[np.float32], labels: NDArray[np.float32], box: NDArray[np.float32]
) -> Floats:
    """Similarity of each keypoint to its label; NaN where there is none."""
    near: Floats = keypoint_similarity(pose[None], labels[None], box[None], COCO_17.oks_sigmas)[0]
    near[labels[:, 2] == 0] = np.nan
    return near


def _mistake(
    pose: NDArray[np.float32],
    person: int,
    labels: NDArray[np.float32],
    boxes: NDArray[np.float32],
    fit: float,
) -> str:
    """What a pose took the person for, if that fits better."""
    mirrored = labels[person][list(COCO_17.flip_permutation)]
    if np.nanmean(_near(pose, mirrored, boxes[person])) > fit + MISTAKEN:
        return "left for right"
    others = [
        np.nanmean(_near(pose, labels[other], boxes[other]))
        for other in range(len(labels))
        if other != person
    ]
    return "another person" if max(others, default=0) > fit + MISTAKEN else "no"


def traits_of(image: AnnotatedImage, index: int, pixels: Image) -> dict[str, str]:
    """What a person of a photograph is like."""
    box, joints = image.boxes_xyxy[index], image.keypoints[index]
    labelled = joints[:, 2] > 0
    hidden = float((joints[labelled, 2] == 1).mean())
    luma = _luma(pixels, box)
    height, width = pixels.shape[:2]
    cut = bool((box[:2] <= 2).any() or box[2] >= width - 2 or box[3] >= height - 2)
    return {
        "height": step(box[3] - box[1], (64, 128, 256), "px"),
        "covered by others": step(100 * covered(image.boxes_xyxy, index), (1, 20, 50), "%"),
        "hidden joints": step(100 * hidden, (1, 34), "%"),
        "torso": torso(joints),
        "at the border": "yes" if cut else "no",
        "brightness": step(luma, (60, 160), "of 255"),
    }


def covered(boxes_xyxy: NDArray[np.float32], index: int) -> float:
    """The largest part of a box that one other box covers, in `[0, 1]`."""
    box, others = boxes_xyxy[index], np.delete(boxes_xyxy, index, axis=0)
    low, high = np.maximum(others[:, :2], box[:2]), np.minimum(others[:, 2:], box[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return float(shared.max(initial=0) / max(float((box[2:] - box[:2]).prod()), 1e-6))


def group(people: Sequence[PersonFit]) -> list[Group]:
    """All people, then people by each trait."""
    rows = [_group("all people", "", [person.fit for person in people])]
    kinds = [{"mistaken": person.mistake, **person.traits} for person in people]
    for trait in kinds[0]:
        for value in sorted({kind[trait] for kind in kinds}, key=_sorting):
            fits = [p.fit for p, kind in zip(people, kinds, strict=True) if kind[trait] == value]
            rows.append(_group(trait, value, fits))
    return rows


def by_joint(people: Sequence[PersonFit]) -> dict[str, float]:
    """Part of the labelled keypoints with a similarity of 0.5 or better; of labelled joints."""
    near = np.array([person.near for person in people])
    parts = {}
    for name, joints in JOINTS.items():
        labelled = near[:, list(joints)]
        labelled = labelled[~np.isnan(labelled)]
        if len(labelled):
            parts[name] = float((labelled >= 0.5).mean())
    return parts


def sheet(estimator: Estimator, dataset: CocoDataset, people: Sequence[PersonFit]) -> Image:
    """People side by side: the pose found in colours, labels as white dots, the fit as a number."""
    photographs = {image.image_id: image for image in dataset}
    tiles = [_tile(estimator, photographs[person.image_id], person) for person in people]
    columns = max(1, round(len(tiles) ** 0.5 * 1.2))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return np.vstack(rows)


def _tile(estimator: Estimator, image: AnnotatedImage, person: PersonFit) -> Image:
    pixels = read_image(image.path, upright=False)
    box = np.array(person.box_xyxy, np.float32)
    index = int(np.abs(image.boxes_xyxy - box).sum(axis=1).argmin())
    middle, side = (box[:2] + box[2:]) / 2, 1.25 * float((box[2:] - box[:2]).max())
    scale = TILE / side
    shift = TILE / 2 - scale * middle
    affine = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)
    tile = cv2.warpAffine(pixels, affine, (TILE, TILE), flags=cv2.INTER_AREA)
    found = estimator.predict(pixels, boxes_xyxy=box[None])
    places = found.keypoints * np.float32(scale) + shift.astype(np.float32)
    drawn: Image = draw_people(
        tile.astype(np.uint8, copy=False), places, found.scores, found.skeleton
    )
    labels = image.keypoints[index]
    for x, y in (labels[labels[:, 2] > 0, :2] * scale + shift).tolist():
        cv2.circle(drawn, (round(x), round(y)), 2, (255, 255, 255), -1)
    cv2.putText(drawn, f"{person.fit:.2f}", (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 255, 255))
    return drawn


def _group(trait: str, value: str, fits: Sequence[float]) -> Group:
    fit = np.array(fits)
    half, good = float((fit >= 0.5).mean()), float((fit >= 0.75).mean())
    return Group(trait, value, len(fit), float(fit.mean()), half, good)


def _luma(pixels: Image, box: NDArray[np.float32]) -> float:
    """Mean brightness inside a box, 0 to 255."""
    height, width = pixels.shape[:2]
    x1, y1 = (int(v) for v in np.clip(box[:2], 0, (width - 1, height - 1)))
    x2, y2 = (int(np.ceil(v)) for v in np.clip(box[2:], (x1 + 1, y1 + 1), (width, height)))
    return float(cv2.cvtColor(pixels[y1:y2, x1:x2], cv2.COLOR_BGR2GRAY).mean())


def torso(joints: NDArray[np.float32]) -> str:
    """Which way the body points, from the hips to the shoulders."""
    if not (joints[[*SHOULDERS, *HIPS], 2] > 0).all():
        return "unknown"
    across, up = joints[list(HIPS), :2].mean(axis=0) - joints[list(SHOULDERS), :2].mean(axis=0)
    angle = abs(float(np.degrees(np.arctan2(across, up))))
    return "upright" if angle < 45 else "lying" if angle < 135 else "upside down"


def step(value: float, limits: Sequence[float], unit: str) -> str:
    """Between which limits a value lies, in words that sort from low to high."""
    for low, high in zip((None, *limits), (*limits, None), strict=True):
        if high is None:
            return f"{low} {unit} or more"
        if value < high:
            return f"under {high} {unit}" if low is None else f"{low} to {high} {unit}"
    raise AssertionError("the last step has no upper limit")


def _sorting(value: str) -> tuple[float, str]:
    """Numbers by their size, "under" first; words after them by the alphabet."""
    first = value.split()[0]
    if first == "under":
        return -1.0, value
    return (float(first), value) if first.isdigit() else (1e9, value)


if __name__ == "__main__":
    main()
