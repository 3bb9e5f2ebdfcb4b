"""Average precision of a heatmap network in training, on ground-truth boxes."""

from __future__ import annotations

import copy
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
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.measure.accuracy.signed_errors import signed_errors
from litepose_edge.person_filter import pose_scores
from litepose_edge.preprocess import warp
from litepose_edge.results import coco_entry
from litepose_edge.skeletons import COCO_17, Skeleton
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.photographs import read_photographs


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
        self._input_size = input_size
        self._activation: Activation = activation
        self._refinement: Refinement = refinement
        self._alignment: Alignment = alignment
        self._blur_kernel, self._skeleton = blur_kernel, skeleton
        self._crops = _crops(dataset, input_size, padding)

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        """AP, AP50, AP75 and AR of the network, and the mean signed error of its keypoints.

        `right_px` and `down_px` are pixels of a crop 256 high, `right_se` and `down_se` their
        standard errors; `worst_px` is the largest mean of one keypoint along an axis.
        """
        was_training = network.training
        network.eval()
        device = next(network.parameters()).device
        results: list[dict[str, Any]] = []
        for start in range(0, len(self._crops), 64):
            crops = self._crops[start : start + 64]
            batch = torch.from_numpy(np.stack([c.pixels for c in crops])).to(device)
            logits = network(normalise(batch)).float().cpu().numpy()
            results += self._decode(crops, logits)
        network.train(was_training)
        ids = sorted({c.image_id for c in self._crops})
        sigmas = self._skeleton.oks_sigmas
        metrics = coco_metrics(self._annotations, results, "keypoints", ids, sigmas).to_dict()
        return metrics | self._signed_errors(results)

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

    def _decode(self, crops: list[ValidationCrop], logits: Float32) -> list[dict[str, Any]]:
        cells, scores = heatmaps.decode_heatmaps(
            logits,
            activation=self._activation,
            refinement=self._refinement,
            blur_kernel=self._blur_kernel,
            oks_sigmas=self._skeleton.oks_sigmas,
        )
        map_size = Size(logits.shape[3], logits.shape[2])
        points = heatmaps.cells_to_input(cells, map_size, self._input_size, self._alignment)
        results = []
        ranks = pose_scores(scores)
        for crop, at, score, rank in zip(crops, points, scores, ranks, strict=True):
            at_image = geometry.transform(crop.to_image, at)
            results.append(coco_entry(crop.image_id, rank, keypoints=at_image, scores=score))
        return results


def _crops(dataset: CocoDataset, input_size: Size, padding: float) -> list[ValidationCrop]:
    crops = []
    photographs = read_photographs(image.path for image in dataset)
    for image, pixels in zip(dataset, photographs, strict=True):
        for box, keypoints in zip(image.boxes_xyxy, image.keypoints, strict=True):
            if not (keypoints[:, 2] > 0).any():
                continue
            to_input = geometry.crop_view(box, input_size, padding)
            crop = cv2.cvtColor(warp(pixels, to_input, input_size), cv2.COLOR_BGR2RGB)
            crops.append(
                ValidationCrop(
                    image.image_id,
                    geometry.invert(to_input),
                    crop.astype(np.uint8, copy=False),
                    box,
                    keypoints,
                )
            )
    return crops
