"""The loss of bottom-up networks on a batch of views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from litepose_export.models.architectures.litepose import FusionHead
from litepose_export.training.bottomup.associative_loss import LossWeights, associative_loss
from litepose_export.training.bottomup.views import ViewBatch
from litepose_export.training.core.normalization import normalise
from litepose_export.training.core.precision import trains_in_bfloat16
from litepose_export.training.distillation.hints import Hints

# For thousands of steps in place of the published hundreds of epochs.
SHORT_RUN = LossWeights(positive=8.0, tags=0.01)
# The published threshold where heat is a probability, in terms of that loss.
MIN_PEAK = SHORT_RUN.heat_of(0.1)
DEPTHWISE_EVERY = 4


@dataclass(slots=True)
class BottomUpLoss:
    """Loss of a bottom-up network on a batch of views, in bfloat16 where that is faster.

    Attributes:
        weights: Of the loss's parts.
        device: `"cpu"` or `"cuda"`.
        hints: From a teacher's hidden layers, or None.
        depthwise_every: The gradient of depthwise kernels is computed once in so many steps:
            on a CPU it takes far more of a step than its share of the weights. 1 where several
            processes train together, whose steps must all have the same gradients.
    """

    weights: LossWeights = SHORT_RUN
    device: str = "cpu"
    hints: Hints | None = None
    depthwise_every: int = DEPTHWISE_EVERY
    _calls: int = 0

    def __call__(self, network: nn.Module, batch: ViewBatch) -> Tensor:
        """Scalar loss, with a graph behind it."""
        assert isinstance(network, FusionHead)
        images = normalise(batch.crops.to(self.device))
        self._calls += 1
        skipped = self._calls % self.depthwise_every != 0
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                layer.weight.requires_grad_(not skipped)
        half = trains_in_bfloat16(network, images)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=half):
            features = network.features(images)
            coarse, fine = network.maps(features)
        labels = (batch.points, batch.labelled, batch.counted)
        points, labelled, counted = (tensor.to(self.device) for tensor in labels)
        loss = associative_loss(
            coarse.float(), fine.float(), points, labelled, counted, self.weights
        )
        if self.hints is None or not torch.is_grad_enabled():
            return loss.total
        with_hints: Tensor = loss.total + self.hints(images, features)
        return with_hints
