"""Recall and false alarms of detector and pose network together, to choose the defaults by.

    python export/recipes/choose_veto.py dev.json [--model lrpose-s] [--crops 100]

Sweeps the detector's least score and the least belief (`litepose_edge.results.belief`). Phantoms
are people found in scikit-image's photographs without people, whole and in random crops.
"""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from choose_threshold import EMPTY
from numpy.typing import NDArray

from litepose_edge import Estimator
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.measure.accuracy.predictions import TALL_PX, box_matches
from litepose_edge.person_filter import BOX_SHARE, belief, person_scores
from litepose_edge.sources import read_image

LEAST = 0.05
SCORES = (0.15, 0.2, 0.25, 0.3, 0.35)
BELIEFS = (0.0, 0.35, 0.38, 0.4, 0.41, 0.42, 0.43, 0.44, 0.45, 0.46, 0.48, 0.5, 0.55, 0.6, 0.65)
CROP_PX = 320
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Everybody the estimator would find at the lowest thresholds in one picture, best first."""

    boxes_xyxy: Floats
    scores: Floats
    beliefs: Floats

    def kept(self, score: float, believed: float) -> NDArray[np.bool_]:
        """Who is left at higher ones."""
        return (self.scores >= score) & (self.beliefs >= believed)


def candidates(estimator: Estimator, image: NDArray[np.uint8]) -> Candidates:
    """Boxes, the detector's scores (from the people's), beliefs."""
    poses = estimator.predict(image)
    alone = person_scores(np.ones(len(poses), np.float32), poses.scores)
    boxes = ((poses.person_scores / alone) ** (1 / BOX_SHARE)).astype(np.float32)
    return Candidates(poses.boxes_xyxy, boxes, belief(boxes, poses.scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="lrpose-s")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--crops", type=int, default=100)
    options = parser.parse_args()
    dataset = read_coco(options.data)
    with Estimator(
        options.model, detector=options.detector, min_score=LEAST, max_people=100
    ) as estimator:
        found = [candidates(estimator, read_image(i.path, upright=False)) for i in dataset]
        empty = [candidates(estimator, view) for view in _empty_views(options.crops)]
    alarms = [c for c in empty if len(c.scores)]
    print(f"{len(empty)} views without people; the most believed phantom of each box score:")
    for score in SCORES:
        worst = max((c.beliefs[c.scores >= score].max(initial=0) for c in alarms), default=0)
        print(f"  score >= {score:.2f}: belief {worst:.3f}")
    print(f"{'score':>6}{'belief':>8}{'recall':>8}{'unmatched':>11}{'phantoms':>10}")
    for score in SCORES:
        for believed in BELIEFS:
            tall = hits = unmatched = 0
            for image, people in zip(dataset, found, strict=True):
                boxes = people.boxes_xyxy[people.kept(score, believed)]
                matched, recalled = box_matches(boxes, image.boxes_xyxy)
                counted = (image.boxes_xyxy[:, 3] - image.boxes_xyxy[:, 1]) > TALL_PX
                tall += int(counted.sum())
                hits += int(recalled[counted].sum())
                unmatched += int((~matched).sum())
            phantoms = sum(int(c.kept(score, believed).sum()) for c in alarms)
            print(
                f"{score:6.2f}{believed:8.2f}{hits / tall:8.3f}{unmatched / len(dataset):11.2f}"
                f"{phantoms:10d}"
            )


def _empty_views(crops: int) -> list[NDArray[np.uint8]]:
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "data"
    rng, views = np.random.default_rng(0), []
    for name in EMPTY:
        image = read_image(next(folder.glob(f"{name}.*")))
        views.append(image)
        for _ in range(crops):
            y = rng.integers(0, max(1, image.shape[0] - CROP_PX))
            x = rng.integers(0, max(1, image.shape[1] - CROP_PX))
            views.append(np.ascontiguousarray(image[y : y + CROP_PX, x : x + CROP_PX]))
    return views


if __name__ == "__main__":
    main()
