"""The loss of PersonDet on a batch of scenes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.persondet import cell_centres, flatten, to_boxes
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.precision import trains_in_bfloat16
from litepose_export.training.detection.assignment import Truth, detection_loss
from litepose_export.training.detection.scenes import SceneBatch


@dataclass(slots=True)
class DetectionLoss:
    """Loss of a detector on a batch of scenes, in bfloat16 where that is faster."""

    device: str = "cpu"

    def __call__(self, network: nn.Module, batch: SceneBatch) -> Tensor:
        """Scalar loss, with a graph behind it."""
        images = normalise(batch.images.to(self.device))
        half = trains_in_bfloat16(network, images)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=half):
            levels = network(images)
        raw = flatten(tuple(level.float() for level in levels))
        centres, strides = (
            t.to(self.device) for t in cell_centres(images.shape[2], images.shape[3])
        )
        boxes = to_boxes(raw.distances, centres, strides)
        t = batch.truth
        truth = Truth(*(x.to(self.device) for x in (t.boxes, t.weights, t.ignored)))
        return detection_loss(raw.logits, boxes, centres, truth)
