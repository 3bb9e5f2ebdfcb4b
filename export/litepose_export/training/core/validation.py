"""Average precision of a heatmap network in training, on ground-truth boxes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from litepose_edge import geometry
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import BOX_PADDING, Activation, Alignment, Refinement
from litepose_edge.measure.accuracy.coco import AnnotatedImage, CocoDataset
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.measure.accuracy.score_reliability import keypoint_scores
from litepose_edge.measure.accuracy.signed_errors import signed_errors
from litepose_edge.person_filter import pose_scores
from litepose_edge.preprocess import warp
from litepose_edge.results import coco_entry
from litepose_edge.skeletons import COCO_17, Skeleton
from litepose_export.errors import ExportError
from litepose_export.models.thresholds import (
    MOST_BACKGROUND,
    Observed,
    Thresholds,
    background_boxes,
    choose_thresholds,
)
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.photographs import read_photographs

NO_LABELS = np.zeros((0, 3), np.float32)


@dataclass(frozen=True, slots=True)
class ValidationCrop:
    """One validation person: which image, where the crop came from, its pixels, its labels."""

    image_id: int
    to_image: NDArray[np.float64]
    pixels: NDArray[np.uint8]
    box_xyxy: Float32
    labels: Float32


class Validator:
    """Holds the crops of a COCO file's people and scores a network on them.

    Args:
        dataset: People with keypoints are cropped around their labelled boxes.
        input_size: Of the crops.
        padding: Growth of the boxes before cropping.
        activation: What turns the network's maps into heat.
        refinement: How keypoints are placed between cells.
        alignment: Where cells lie in the input.
        blur_kernel: Of DARK's refinements.
        skeleton: What is labelled, and found.

    Raises:
        ExportError: No one has labelled keypoints.
        SourceError: A photograph is missing or cannot be read.
    """

    def __init__(
        self,
        dataset: CocoDataset,
        input_size: Size,
        padding: float = BOX_PADDING,
        *,
        activation: Activation = "sigmoid",
        refinement: Refinement = "expected-oks",
        alignment: Alignment = "centre",
        blur_kernel: int = 3,
        skeleton: Skeleton = COCO_17,
    ) -> None:
        self._annotations = dataset.path
        self._dataset, self._padding = dataset, padding
        self._input_size = input_size
        self._activation: Activation = activation
        self._refinement: Refinement = refinement
        self._alignment: Alignment = alignment
        self._blur_kernel, self._skeleton = blur_kernel, skeleton
        self._crops = _crops(dataset, input_size, padding)
        if not self._crops:
            raise ExportError(
                f"nothing to score on in {dataset.path}: expected people with labelled keypoints, "
                "got none"
            )

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        """AP, AP50, AP75 and AR of the network, and the mean signed error of its keypoints.

        `right_px` and `down_px` are pixels of a crop 256 high, `right_se` and `down_se` their
        standard errors; `worst_px` is the largest mean of one keypoint along an axis.
        """
        results: list[dict[str, Any]] = []
        for crops, at, scores in self._places(network, self._crops):
            ranks = pose_scores(scores)
            for crop, points, score, rank in zip(crops, at, scores, ranks, strict=True):
                results.append(coco_entry(crop.image_id, rank, keypoints=points, scores=score))
        ids = sorted({c.image_id for c in self._crops})
        sigmas = self._skeleton.oks_sigmas
        metrics = coco_metrics(self._annotations, results, "keypoints", ids, sigmas).to_dict()
        return metrics | self._signed_errors(results)

    @torch.no_grad()
    def thresholds(self, network: nn.Module) -> Thresholds | None:
        """Thresholds that suit the network; None where the people are too few to tell.

        Crops without people are taken of the same photographs, where there is room beside them.
        """
        background = _background_crops(self._dataset, self._input_size, self._padding)
        (at, people), (_, empty) = (
            self._all_places(network, crops) for crops in (self._crops, background)
        )
        labels, boxes = (
            np.stack([getattr(crop, name) for crop in self._crops])
            for name in ("labels", "box_xyxy")
        )
        sigmas = self._skeleton.oks_sigmas
        return choose_thresholds(
            Observed(keypoint_scores(at, people, labels, boxes, sigmas), people, empty)
        )

    def _all_places(
        self, network: nn.Module, crops: list[ValidationCrop]
    ) -> tuple[Float32, Float32]:
        """Keypoints in their photographs `(N, K, 2)` and their scores `(N, K)`."""
        count = len(self._skeleton)
        at, scores = np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32)
        for _, found, score in self._places(network, crops):
            at, scores = np.concatenate([at, found]), np.concatenate([scores, score])
        return at.astype(np.float32), scores

    def _places(
        self, network: nn.Module, all_crops: list[ValidationCrop]
    ) -> Iterator[tuple[list[ValidationCrop], Float32, Float32]]:
        """Batches of crops, their keypoints in the photographs and their scores."""
        was_training = network.training
        network.eval()
        device = next(network.parameters()).device
        for start in range(0, len(all_crops), 64):
            crops = all_crops[start : start + 64]
            batch = torch.from_numpy(np.stack([c.pixels for c in crops])).to(device)
            points, scores = self._decode(network(normalise(batch)).float().cpu().numpy())
            at = [geometry.transform(c.to_image, p) for c, p in zip(crops, points, strict=True)]
            yield crops, np.stack(at), scores
        network.train(was_training)

    def with_refinement(self, refinement: Refinement) -> Validator:
        """The same people, keypoints refined in another way."""
        other = copy.copy(self)
        other._refinement = refinement
        return other

    def _signed_errors(self, results: list[dict[str, Any]]) -> dict[str, float]:
        found = np.array([r["keypoints"] for r in results], np.float32)
        errors = signed_errors(
            found.reshape(len(results), -1, 3)[..., :2],
            np.stack([c.labels for c in self._crops]),
            np.stack([c.box_xyxy for c in self._crops]),
        )
        (right, down), (right_se, down_se) = errors.mean, errors.standard_error
        by_keypoint = np.abs(errors.by_keypoint[errors.counts > 0])
        return {
            "right_px": float(right),
            "right_se": float(right_se),
            "down_px": float(down),
            "down_se": float(down_se),
            "worst_px": float(by_keypoint.max(initial=0.0)),
        }

    def _decode(self, logits: Float32) -> tuple[Float32, Float32]:
        """Keypoints in the crop `(N, K, 2)` and their scores `(N, K)`."""
        cells, scores = heatmaps.decode_heatmaps(
            logits,
            activation=self._activation,
            refinement=self._refinement,
            blur_kernel=self._blur_kernel,
            oks_sigmas=self._skeleton.oks_sigmas,
        )
        map_size = Size(logits.shape[3], logits.shape[2])
        points = heatmaps.cells_to_input(cells, map_size, self._input_size, self._alignment)
        return points, scores


def _crops(dataset: CocoDataset, input_size: Size, padding: float) -> list[ValidationCrop]:
    crops = []
    photographs = read_photographs(image.path for image in dataset)
    for image, pixels in zip(dataset, photographs, strict=True):
        for box, keypoints in zip(image.boxes_xyxy, image.keypoints, strict=True):
            if not (keypoints[:, 2] > 0).any():
                continue
            crops.append(_crop(image, pixels, box, keypoints, input_size, padding))
    return crops


def _background_crops(
    dataset: CocoDataset, input_size: Size, padding: float
) -> list[ValidationCrop]:
    """Crops without people, some of each photograph that has room for them."""
    rng = np.random.default_rng(0)
    images = list(dataset)
    each = max(1, -(-MOST_BACKGROUND // max(len(images), 1)))
    crops: list[ValidationCrop] = []
    for image, pixels in zip(images, read_photographs(i.path for i in images), strict=True):
        boxes = background_boxes(rng, Size.of(pixels), image.boxes_xyxy, each)
        for box in boxes[: MOST_BACKGROUND - len(crops)]:
            crops.append(_crop(image, pixels, box, NO_LABELS, input_size, padding))
    return crops


def _crop(
    image: AnnotatedImage,
    pixels: NDArray[np.uint8],
    box_xyxy: Float32,
    labels: Float32,
    input_size: Size,
    padding: float,
) -> ValidationCrop:
    to_input = geometry.crop_view(box_xyxy, input_size, padding)
    crop = cv2.cvtColor(warp(pixels, to_input, input_size), cv2.COLOR_BGR2RGB)
    return ValidationCrop(
        image.image_id,
        geometry.invert(to_input),
        crop.astype(np.uint8, copy=False),
        box_xyxy,
        labels,
    )
