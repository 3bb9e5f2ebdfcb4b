"""Runs an estimator over the photographs of a COCO file and scores its people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from litepose_edge.boxes import box_area, box_iou
from litepose_edge.errors import SourceError
from litepose_edge.estimator import Estimator
from litepose_edge.geometry import Float32
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_edge.measure.accuracy.coco_metrics import CocoMetrics, coco_metrics
from litepose_edge.measure.accuracy.crowdpose import CrowdMetrics, crowdpose_metrics
from litepose_edge.measure.accuracy.pckh import PckhMetrics, pckh, read_head_sizes
from litepose_edge.measure.accuracy.score_reliability import KeypointScores, keypoint_scores
from litepose_edge.measure.accuracy.signed_errors import SignedErrors, signed_errors
from litepose_edge.results import Poses
from litepose_edge.sources import read_image

TALL_PX = 96.0

Progress = Callable[[], None]
Metric = Literal["coco", "crowdpose", "pckh"]


@dataclass(frozen=True, slots=True)
class GivenBoxesAccuracy:
    """Accuracy of the keypoints when every labelled person's own box is cropped.

    Attributes:
        metrics: By the metric that was asked for.
        errors: Whether keypoints lie too far to one side.
        scores: Whether keypoints are right as often as their scores say.
    """

    metrics: CocoMetrics | CrowdMetrics | PckhMetrics
    errors: SignedErrors
    scores: KeypointScores


def evaluate_on_given_boxes(
    estimator: Estimator, dataset: CocoDataset, progress: Progress, metric: Metric = "coco"
) -> GivenBoxesAccuracy:
    """Accuracy of the keypoints when every labelled person's own box is cropped.

    Args:
        estimator: Needs no detector.
        dataset: Photographs and labels.
        progress: Called once a photograph.
        metric: `"coco"`, `"crowdpose"` or `"pckh"`.

    Raises:
        SourceError: The labels are not of the kind that the metric needs.
    """
    results: list[dict[str, Any]] = []
    images: list[int] = []
    sigmas: tuple[float, ...] | None = None
    found: list[Float32] = []
    scored: list[Float32] = []
    truth: list[Float32] = []
    boxes: list[Float32] = []
    sizes: list[Float32] = []
    heads = read_head_sizes(dataset.path) if metric == "pckh" else {}
    for image in dataset:
        progress()
        labelled = (image.keypoints[..., 2] > 0).any(axis=1)
        if not labelled.any():
            continue
        images.append(image.image_id)
        boxes.append(image.boxes_xyxy[labelled])
        poses = estimator.predict(read_image(image.path, upright=False), boxes_xyxy=boxes[-1])
        sigmas = _sigmas(poses, dataset)
        results += poses.to_coco(image.image_id)
        found.append(poses.keypoints)
        scored.append(poses.scores)
        truth.append(image.keypoints[labelled])
        if metric == "pckh":
            sizes.append(heads[image.image_id][labelled])
    if not images or sigmas is None:
        raise SourceError(f"{dataset.path} labels no person's keypoints: there is nothing to score")
    places, labels = np.concatenate(found), np.concatenate(truth)
    cropped = np.concatenate(boxes)
    errors = signed_errors(places, labels, cropped)
    scores = keypoint_scores(places, np.concatenate(scored), labels, cropped, sigmas)
    if metric == "pckh":
        return GivenBoxesAccuracy(pckh(places, labels, np.concatenate(sizes)), errors, scores)
    return GivenBoxesAccuracy(_score(metric, dataset, results, images, sigmas), errors, scores)


def evaluate_end_to_end(
    estimator: Estimator, dataset: CocoDataset, progress: Progress, metric: Metric = "coco"
) -> tuple[CocoMetrics | CrowdMetrics, CocoMetrics]:
    """Keypoint AP and box AP when the estimator finds the people itself.

    Average precision needs people of low confidence too: make the estimator with a low `min_score`
    and `max_people` above the most crowded photograph.

    Args:
        estimator: With a detector.
        dataset: Photographs and labels.
        progress: Called once a photograph.
        metric: `"coco"` or `"crowdpose"`, for the keypoints.

    Returns:
        Keypoint metrics and box metrics, over all photographs.
    """
    results: list[dict[str, Any]] = []
    sigmas: tuple[float, ...] | None = None
    for image in dataset:
        progress()
        poses = estimator.predict(read_image(image.path, upright=False))
        sigmas = _sigmas(poses, dataset)
        results += poses.to_coco(image.image_id)
    return (
        _score(metric, dataset, results, None, sigmas),
        coco_metrics(dataset.path, results, "bbox"),
    )


def _sigmas(poses: Poses, dataset: CocoDataset) -> tuple[float, ...]:
    """Sigmas of what the model finds, which must be as many keypoints as are labelled."""
    found, labelled = len(poses.skeleton), len(dataset.keypoint_names)
    if found != labelled:
        raise SourceError(
            f"{dataset.path} labels {labelled} keypoints and the model finds {found} "
            f"({poses.skeleton.name}): give a model of the same keypoints"
        )
    return poses.skeleton.oks_sigmas


def _score(
    metric: Metric,
    dataset: CocoDataset,
    results: list[dict[str, Any]],
    images: list[int] | None,
    sigmas: tuple[float, ...] | None,
) -> CocoMetrics | CrowdMetrics:
    if metric == "crowdpose":
        return crowdpose_metrics(dataset.path, results, images)
    return coco_metrics(dataset.path, results, "keypoints", images, sigmas)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a user of the default threshold gets.

    Attributes:
        recall: Part of the labelled people taller than 96 px whose box was found.
        false_positives_per_image: Found boxes that match no labelled person.
    """

    recall: float
    false_positives_per_image: float


def operating_point(
    estimator: Estimator, dataset: CocoDataset, progress: Progress
) -> OperatingPoint:
    """Recall and false positives at the estimator's own `min_score`, boxes matched at IoU 0.5.

    Crowd regions are no people to be found, and who is found in one is no false positive, as in
    COCO's evaluation.

    Args:
        estimator: With a detector.
        dataset: Photographs and labels.
        progress: Called once a photograph.
    """
    tall = hits = false_positives = 0
    for image in dataset:
        progress()
        poses = estimator.predict(read_image(image.path, upright=False))
        people, crowds = image.boxes_xyxy[~image.crowd], image.boxes_xyxy[image.crowd]
        found, recalled = box_matches(poses.boxes_xyxy, people)
        counted = (people[:, 3] - people[:, 1]) > TALL_PX
        tall += int(counted.sum())
        hits += int(recalled[counted].sum())
        false_positives += int((~found & ~_inside(poses.boxes_xyxy, crowds)).sum())
    return OperatingPoint(hits / max(tall, 1), false_positives / max(len(dataset), 1))


def _inside(
    boxes_xyxy: np.ndarray[Any, Any], regions_xyxy: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """`(P,)` bool, boxes of which a region covers half."""
    ours, theirs = boxes_xyxy[:, None], regions_xyxy[None]
    low, high = (
        np.maximum(ours[..., :2], theirs[..., :2]),
        np.minimum(ours[..., 2:], theirs[..., 2:]),
    )
    covered = (high - low).clip(0).prod(axis=-1)
    inside: np.ndarray[Any, Any] = (covered >= 0.5 * box_area(boxes_xyxy)[:, None]).any(axis=1)
    return inside


def box_matches(
    boxes_xyxy: np.ndarray[Any, Any], labels_xyxy: np.ndarray[Any, Any], min_iou: float = 0.5
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Greedy one-to-one matching of found boxes (best first) to labelled ones.

    Returns:
        found: `(P,)` bool, boxes that matched.
        recalled: `(G,)` bool, labels that were matched.
    """
    found = np.zeros(len(boxes_xyxy), np.bool_)
    recalled = np.zeros(len(labels_xyxy), np.bool_)
    overlap = box_iou(boxes_xyxy, labels_xyxy)
    for i in range(len(boxes_xyxy)):
        free = np.where(recalled, 0, overlap[i])
        if len(free) and free.max() >= min_iou:
            found[i] = recalled[free.argmax()] = True
    return found, recalled
