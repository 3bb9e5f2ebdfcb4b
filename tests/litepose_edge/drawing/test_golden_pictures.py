"""Whole pictures beside those that were looked at and kept.

    REMAKE_GOLDEN=1 python -m pytest tests/litepose_edge/drawing/test_golden_pictures.py

makes them anew: look at each before it is committed. OpenCV 4 and 5 have different letters, and a
folder each; other versions may differ by a shade at edges: pictures are blurred before they are
compared.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from litepose_edge import COCO_17, Size, Trails
from litepose_edge.results import CropView
from litepose_edge.testing import gaussian_heatmaps
from moving_people import body, poses_of

GOLDEN = Path(__file__).parent / "golden" / f"opencv{cv2.__version__.split('.')[0]}"
# Of 255, of the thousandth of the pixels that differ most.
WORST = 20.0
HEIGHT, WIDTH = 480, 640


def room() -> np.ndarray:
    """A drawn background: a floor, a wall that gets lighter, a door."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = np.linspace(110, 200, WIDTH).astype(np.uint8)[:, None]
    picture[360:] = (60, 90, 130)
    cv2.rectangle(picture, (480, 120), (580, 360), (90, 60, 40), -1)
    return picture


def walkers(t: float):
    """Six people who walk in two rows, those behind smaller; legs of one are not visible."""
    bodies = []
    for i in range(6):
        behind, direction = i % 2, 1 - 2 * (i % 2)
        swing = 14 * np.sin(2 * np.pi * (t + i / 6))
        there = body((swing, swing / 2, 4), (0, 0), hand=-170 + 30 * i)
        x = 90 + 95 * i + direction * 60 * (t - 1)
        bodies.append(there * (0.75 if behind else 1.0) + np.array([x, 380 + 40 * (1 - behind)]))
    poses = poses_of(*bodies, first_id=7)
    scores = poses.scores.copy()
    scores[2, 13:] = 0.1
    return dataclasses.replace(poses, scores=scores)


def six_walkers():
    trails = Trails(length_s=1.5)
    for t in np.arange(0, 1.01, 0.1):
        trails.update(walkers(t), t)
    return walkers(1.0).draw(room(), trails=trails)


def sides_and_scores():
    poses = dataclasses.replace(walkers(0.4)[:3], track_ids=None)
    return poses.draw(np.full((HEIGHT, WIDTH, 3), 48, np.uint8), scores=True, boxes=False)


def labels_of_a_crowd():
    bodies = [body((0, 0, 0), (300 + 14 * i, 400 + 6 * i)) for i in range(4)]
    texts = ["raises a hand", "sits", "", "walks away"]
    return poses_of(*bodies).draw(room(), labels=texts, scores=True, thickness=3, radius=4)


def heat_of_an_elbow():
    size = Size(48, 64)
    crop = cv2.resize(room(), (4 * size.width, 4 * size.height))
    points = body(feet=(96, 220))
    scores = np.full(17, 0.8, np.float32)
    scores[7] = 0.2
    heat = gaussian_heatmaps((points + 0.5) / 4 - 0.5, size.height, size.width, sigma=2)
    heat[7] *= 0.25
    view = CropView(crop, heat, points, scores, COCO_17, 0.3)
    return np.vstack([view.draw(height=240), view.draw("left_elbow", height=240)])


SCENES = (six_walkers, sides_and_scores, labels_of_a_crowd, heat_of_an_elbow)


def difference(drawn: np.ndarray, kept: np.ndarray) -> float:
    """Mean of the thousandth of the pixels that differ most, after a blur by 3 pixels."""
    a, b = (cv2.blur(image, (3, 3)).astype(int) for image in (drawn, kept))
    apart = np.sort(np.abs(a - b).max(axis=2).ravel())
    return float(apart[-(apart.size // 1000) :].mean())


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_picture_is_the_one_that_was_kept(scene, tmp_path):
    drawn, path = scene(), GOLDEN / f"{scene.__name__}.png"
    if os.environ.get("REMAKE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), drawn, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    kept = cv2.imread(str(path))
    assert drawn.shape == kept.shape
    if difference(drawn, kept) > WORST:
        cv2.imwrite(str(tmp_path / path.name), drawn)
        pytest.fail(f"differs by {difference(drawn, kept):.0f}: {tmp_path / path.name}")


def test_the_comparison_sees_a_missing_label_and_a_missing_arm():
    poses, ground = walkers(0.4), room()
    whole = poses.draw(ground)
    assert difference(whole, whole) == 0
    fewer = poses.scores.copy()
    fewer[1, [7, 9]] = 0
    for other in (
        poses.draw(ground, labels=False),
        dataclasses.replace(poses, scores=fewer).draw(ground),
        poses.draw(ground, boxes=False),
    ):
        assert difference(other, whole) > WORST
