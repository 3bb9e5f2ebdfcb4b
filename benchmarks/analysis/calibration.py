"""Whether keypoint scores mean something: score against the part of keypoints that are right.

    python -m benchmarks.analysis.calibration dev.json [--model lrpose-s] [--precision int8]
        [--plot calibration.svg] [--json FILE]

All people with labels, each in the labelled box; `measure.accuracy.score_reliability` says which
keypoints are right. A second pass cuts each photograph off below the hips
of a person and looks at the scores of the knees and ankles that are now outside: they should be
low. `--plot` needs matplotlib (extra plot).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from litepose_edge import Estimator
from litepose_edge.manifest import ScoreCalibration
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset, read_coco
from litepose_edge.measure.accuracy.score_reliability import (
    KeypointScores,
    fit_calibration,
    keypoint_scores,
)
from litepose_edge.sources import read_image

BINS = 10
HIPS, BELOW = (11, 12), (13, 14, 15, 16)
MARGIN = 0.05  # of the box height: so far below the cut a joint must be
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Bin:
    """Keypoints of about one score."""

    score: float
    right: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores and truth go together.

    Attributes:
        bins: By score, from low to high; empty ones are left out.
        error: Mean distance between score and part that is right, weighed by count.
        separation: Probability that a right keypoint scores above a wrong one (AUC).
        fit: `score_calibration` of a manifest, for scores without one; None if all are right.
        half_right: Score at which half of the keypoints are right: `min_keypoint_score` of a
            manifest.
        inside: Median score of labelled keypoints in the whole photographs.
        outside: Median score of those that were cut off.
        outside_above: Part of those that scored above 0.3.
        outside_count: How many were cut off.
    """

    bins: list[Bin]
    error: float
    separation: float
    fit: ScoreCalibration | None
    half_right: float
    inside: float
    outside: float
    outside_above: float
    outside_count: int


def main() -> None:
    """Measure, print the table, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="COCO keypoint JSON")
    parser.add_argument("--model", default="lrpose-s")
    parser.add_argument("--precision", choices=("int8", "fp32"))
    parser.add_argument("--plot", type=Path, help="PNG or SVG to draw")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    with Estimator(options.model, precision=options.precision, detector=None) as estimator:
        found = measure(estimator, read_coco(options.data))
    print(f"{'score':>7}{'right':>8}{'keypoints':>11}")
    for row in found.bins:
        print(f"{row.score:7.2f}{row.right:8.2f}{row.count:11d}")
    print(f"mean distance of score and part that is right: {found.error:.3f}")
    print(f"a right keypoint scores above a wrong one: {found.separation:.3f}")
    if found.fit is not None:
        print(f"calibration: scale {found.fit.scale:.3f}, offset {found.fit.offset:.3f}")
    print(f"half of the keypoints are right at a score of {found.half_right:.3f}")
    print(
        f"median score: {found.inside:.2f} in the photograph, {found.outside:.2f} cut off "
        f"({found.outside_count} keypoints, {100 * found.outside_above:.0f} % of them above 0.3)"
    )
    if options.json:
        options.json.write_text(json.dumps(msgspec.to_builtins(found), indent=2) + "\n")
    if options.plot:
        draw(found, options.plot)


def measure(estimator: Estimator, dataset: CocoDataset) -> Calibration:
    """Scores of all labelled keypoints, and of those that a cut leaves outside."""
    found: list[KeypointScores] = []
    outside: list[Floats] = []
    for image in dataset:
        labelled = image.keypoints[..., 2] > 0
        people = np.flatnonzero(labelled.any(axis=1) & ~image.crowd)
        if not len(people):
            continue
        pixels = read_image(image.path, upright=False)
        poses = estimator.predict(pixels, boxes_xyxy=image.boxes_xyxy[people])
        labels, boxes = image.keypoints[people], image.boxes_xyxy[people]
        sigmas = poses.skeleton.oks_sigmas
        found.append(keypoint_scores(poses.keypoints, poses.scores, labels, boxes, sigmas))
        outside += _cut_off(estimator, pixels, image, people)
    cut = np.concatenate(outside) if outside else np.zeros(0)
    together = KeypointScores(
        np.concatenate([part.scores for part in found]),
        np.concatenate([part.right for part in found]),
    )
    return evaluate(together, cut)


def evaluate(found: KeypointScores, outside: Floats) -> Calibration:
    """Bins and summary figures of keypoints whose truth is known."""
    scores, right = found.scores, found.right
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins = [
        Bin(float(scores[place == b].mean()), float(right[place == b].mean()), int(n))
        for b, n in enumerate(np.bincount(place, minlength=BINS))
        if n
    ]
    return Calibration(
        bins=bins,
        error=found.error,
        separation=_separation(scores, right),
        fit=None if right.all() or not right.any() else fit_calibration(found),
        half_right=_half_right(scores, right),
        inside=float(np.median(scores)),
        outside=float(np.median(outside)) if len(outside) else float("nan"),
        outside_above=float((outside > 0.3).mean()) if len(outside) else float("nan"),
        outside_count=len(outside),
    )


def draw(found: Calibration, target: Path) -> None:
    """Part that is right over the score; perfect scores lie on the diagonal."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    axes.plot([b.score for b in found.bins], [b.right for b in found.bins], marker="o")
    axes.set(xlabel="score", ylabel="part that is right", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    figure.savefig(target, dpi=120, metadata={"Date": None} if target.suffix == ".svg" else None)


def _cut_off(
    estimator: Estimator, pixels: NDArray[np.uint8], image: AnnotatedImage, people: NDArray[np.intp]
) -> list[Floats]:
    """Scores of knees and ankles that lie below a photograph cut under the hips."""
    found: list[Floats] = []
    for person in people:
        joints, box = image.keypoints[person], image.boxes_xyxy[person]
        if not (joints[list(HIPS), 2] > 0).all():
            continue
        height = box[3] - box[1]
        cut = int(joints[list(HIPS), 1].max() + MARGIN * height)
        gone = [j for j in BELOW if joints[j, 2] > 0 and joints[j, 1] > cut + MARGIN * height]
        if not gone or cut - box[1] < 0.3 * height or cut >= len(pixels):
            continue
        rest = np.array([[box[0], box[1], box[2], cut]])
        poses = estimator.predict(np.ascontiguousarray(pixels[:cut]), boxes_xyxy=rest)
        found.append(poses.scores[0, gone].astype(np.float64))
    return found


def _separation(scores: Floats, right: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, by ranks; ties count half."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    _, where = np.unique(scores, return_inverse=True)
    ranks = (np.bincount(where, ranks) / np.bincount(where))[where]
    n, m = int(right.sum()), int((~right).sum())
    if not n or not m:
        return float("nan")
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * m))


def _half_right(scores: Floats, right: NDArray[np.bool_]) -> float:
    """The threshold with the fewest mistakes: right keypoints below it, wrong ones from it on.

    There the part that is right passes a half, as a monotone (isotonic) fit has it.
    """
    order = np.argsort(scores, kind="stable")
    mistakes = np.concatenate([[0], np.where(right[order], 1, -1).cumsum()])
    ordered = np.append(scores[order], 1.0)
    # A threshold cannot part equal scores.
    possible = np.flatnonzero(np.append(True, np.diff(ordered) > 0))
    return float(ordered[possible[mistakes[possible].argmin()]])


if __name__ == "__main__":
    main()
