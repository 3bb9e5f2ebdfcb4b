"""Measures the thresholds of an ONNX file on labelled people, as the runtime will run it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import numpy as np
import onnx

from litepose_edge import Estimator
from litepose_edge.geometry import Size
from litepose_edge.manifest import Manifest, TopDownSpec
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_edge.measure.accuracy.score_reliability import keypoint_scores
from litepose_edge.skeletons import Skeleton
from litepose_edge.sources import read_image
from litepose_export.conversion.storage import store
from litepose_export.errors import ExportError
from litepose_export.models.thresholds import (
    LEAST_PEOPLE,
    MOST_BACKGROUND,
    Observed,
    Thresholds,
    background_boxes,
    choose_thresholds,
)


def measure_thresholds(
    graph: onnx.ModelProto, manifest: Manifest, dataset: CocoDataset
) -> Thresholds:
    """Thresholds that suit a network of one person's crop.

    Args:
        graph: The float network.
        manifest: Its manifest.
        dataset: Labelled people it was not trained on.

    Raises:
        ExportError: It is of another kind, the people are too few, or other keypoints are labelled.
    """
    model = manifest.model
    if not isinstance(model, TopDownSpec):
        raise ExportError("thresholds are measured of networks of one person's crop: leave out dev")
    if dataset.keypoint_names != model.skeleton.keypoint_names:
        raise ExportError(
            f"{dataset.path} labels {len(dataset.keypoint_names)} keypoints, the network finds "
            f"{len(model.skeleton)} ({model.skeleton.name}): thresholds need labels of the same"
        )
    # As if nothing were known: scores as decoded, each crop once.
    plain = TopDownSpec(
        padding=model.padding,
        skeleton=model.skeleton,
        heatmaps=model.heatmaps,
        simcc=model.simcc,
        regression=model.regression,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        store(graph, msgspec.structs.replace(manifest, model=plain), path)
        with Estimator(path, detector=None) as estimator:
            observed = _observe(estimator, dataset, model.skeleton)
    found = choose_thresholds(observed)
    if found is None:
        raise ExportError(
            f"{dataset.path} has {len(observed.people)} labelled people, thresholds take at least "
            f"{LEAST_PEOPLE}: leave out dev, or label more"
        )
    return found


def _observe(estimator: Estimator, dataset: CocoDataset, skeleton: Skeleton) -> Observed:
    rng, count = np.random.default_rng(0), len(skeleton)
    each = max(1, -(-MOST_BACKGROUND // max(len(dataset), 1)))
    at, labels = np.zeros((0, count, 2), np.float32), np.zeros((0, count, 3), np.float32)
    people, background = (np.zeros((0, count), np.float32) for _ in range(2))
    boxes = np.zeros((0, 4), np.float32)
    for image in dataset:
        labelled = (image.keypoints[..., 2] > 0).any(axis=1)
        own = image.boxes_xyxy[labelled]
        pixels = read_image(image.path, upright=False)
        room = MOST_BACKGROUND - len(background)
        empty = background_boxes(rng, Size.of(pixels), image.boxes_xyxy, min(each, room))
        asked = np.concatenate([own, empty]).astype(np.float32)
        if not len(asked):
            continue
        poses = estimator.predict(pixels, boxes_xyxy=asked)
        at = np.concatenate([at, poses.keypoints[: len(own)]])
        people = np.concatenate([people, poses.scores[: len(own)]])
        background = np.concatenate([background, poses.scores[len(own) :]])
        labels = np.concatenate([labels, image.keypoints[labelled]])
        boxes = np.concatenate([boxes, own])
    right = keypoint_scores(at, people, labels, boxes, skeleton.oks_sigmas)
    return Observed(right, people, background)
