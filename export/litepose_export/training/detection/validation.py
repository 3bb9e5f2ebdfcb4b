"""Average precision of PersonDet in training, on whole photographs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from litepose_edge import geometry
from litepose_edge.boxes import nms
from litepose_edge.geometry import Float32, Size
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_edge.measure.accuracy.coco_entries import box_entries
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_export.errors import ExportError
from litepose_export.models.architectures.persondet import cell_centres, flatten, to_boxes
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.photographs import read_photographs
from litepose_export.training.detection.scenes import GREY


class DetectionValidator:
    """Holds a COCO file's photographs, letterboxed, and scores a detector on them.

    Args:
        dataset: Photographs and boxes.
        input_size: Of the detector.

    Raises:
        ExportError: There is no box.
        SourceError: A photograph is missing or cannot be read.
    """

    def __init__(self, dataset: CocoDataset, input_size: Size) -> None:
        if not any(len(image.boxes_xyxy) for image in dataset):
            raise ExportError(
                f"nothing to score on in {dataset.path}: expected boxes of people, got none"
            )
        self._dataset = dataset
        self._input_size = input_size
        self._pixels = []
        self._to_image = []
        for photograph in read_photographs(image.path for image in dataset):
            to_input = geometry.letterbox_affine(Size.of(photograph), input_size)
            pixels = cv2.warpAffine(
                photograph, to_input, (input_size.width, input_size.height), borderValue=GREY
            )
            self._pixels.append(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            self._to_image.append(geometry.invert(to_input))

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        """AP, AP50, AP75 and AR of the detector's boxes."""
        was_training = network.training
        network.eval()
        results: list[dict[str, Any]] = []
        for number, (boxes, scores) in enumerate(self.detect(network)):
            results += box_entries(self._dataset.images[number].image_id, boxes, scores)
        network.train(was_training)
        return coco_metrics(self._dataset.path, results, "bbox").to_dict()

    @torch.no_grad()
    def detect(self, network: nn.Module, min_score: float = 0.02) -> list[tuple[Float32, Float32]]:
        """Boxes `(P, 4)` in photograph pixels and scores `(P,)` of every photograph."""
        device = next(network.parameters()).device
        centres, strides = cell_centres(self._input_size.height, self._input_size.width)
        found = []
        for start in range(0, len(self._pixels), 16):
            batch = torch.from_numpy(np.stack(self._pixels[start : start + 16])).to(device)
            raw = flatten(tuple(level.float().cpu() for level in network(normalise(batch))))
            boxes = to_boxes(raw.distances, centres, strides).numpy()
            scores = raw.logits.sigmoid().numpy()
            for i in range(len(boxes)):
                keep = scores[i] > min_score
                kept = nms(boxes[i, keep], scores[i, keep], 0.6)[:100]
                corners = geometry.transform(
                    self._to_image[start + i], boxes[i, keep][kept].reshape(-1, 2)
                )
                found.append((corners.reshape(-1, 4).astype(np.float32), scores[i, keep][kept]))
        return found
