"""Trains bottom-up networks: whole views in, heatmaps of everybody and tags out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from litepose_edge.backends.session import TensorSpec
from litepose_edge.geometry import Size
from litepose_edge.manifest import BottomUpSpec, Manifest
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.pipelines.bottomup import BottomUp
from litepose_edge.pipelines.bottomup_options import BottomUpOptions, Resize
from litepose_export.models.architectures.litepose import FusionHead
from litepose_export.training.bottomup.associative_loss import LossWeights, associative_loss
from litepose_export.training.bottomup.views import ViewBatch
from litepose_export.training.core.pose_loss import normalise
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.data.people import read_photographs
from litepose_export.training.distillation.hints import Hints

# Small views first: one shared thread trained LitePose-XS on 51 a second of 64x64, 31 of 96x96 and
# 22 of 128x128. People in the smallest are half as large as at run time, so that whole people fit.
BOTTOM_UP_SCHEDULE = Schedule(
    phases=(
        Phase(0.5, Size(64, 64)),
        Phase(0.84, Size(96, 96)),
        Phase(0.955, Size(128, 128)),
        Phase(1.0, Size(160, 160)),
    ),
    batch=16,
    learning_rate=4e-3,
    warmup_steps=100,
    ema_decay=0.998,
)
# A second run that starts from the first one's weights, nearer to the size it runs at.
BOTTOM_UP_REFINE_SCHEDULE = Schedule(
    phases=(Phase(0.5, Size(192, 192)), Phase(1.0, Size(256, 256))),
    batch=8,
    learning_rate=2e-3,
    muon_rate=0.01,
    warmup_steps=100,
    ema_decay=0.998,
)
# For thousands of steps in place of the published hundreds of epochs.
SHORT_RUN = LossWeights(positive=8.0, tags=0.01)
# The published threshold where heat is a probability, in terms of that loss.
MIN_PEAK = SHORT_RUN.heat_of(0.1)
SCORED_PHOTOGRAPHS = 100


@dataclass(slots=True)
class BottomUpLoss:
    """Loss of a bottom-up network on a batch of views.

    Attributes:
        weights: Of the loss's parts.
        device: `"cpu"` or `"cuda"`.
        half: Compute the network in bfloat16: quicker for dense convolutions, slower for 7x7
            depthwise ones.
        hints: From a teacher's hidden layers, or None.
        depthwise_every: The gradient of depthwise kernels is computed once in so many steps.
            It takes 40 % of a step of LitePose-XS, for a quarter of its weights: at 96x96 a
            thread sees 55 views a second without it, 29 with it.
    """

    weights: LossWeights = SHORT_RUN
    device: str = "cpu"
    half: bool = False
    hints: Hints | None = None
    depthwise_every: int = 4
    _calls: int = 0

    def __call__(self, network: nn.Module, batch: ViewBatch) -> Tensor:
        """Scalar loss, with a graph behind it."""
        assert isinstance(network, FusionHead)
        images = normalise(batch.crops.to(self.device))
        self._calls += 1
        rest = self._calls % self.depthwise_every != 0
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                layer.weight.requires_grad_(not rest)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.half):
            features = network.features(images)
            coarse, fine = network.maps(features)
        places = (batch.points, batch.labelled, batch.counted)
        points, labelled, counted = (tensor.to(self.device) for tensor in places)
        loss = associative_loss(
            coarse.float(), fine.float(), points, labelled, counted, self.weights
        )
        if self.hints is None or not torch.is_grad_enabled():
            return loss.total
        hinted: Tensor = loss.total + self.hints(images, features)
        return hinted


class TorchSession:
    """A PyTorch network of free input size behind the runtime's seam."""

    def __init__(self, network: nn.Module, manifest: Manifest) -> None:
        assert isinstance(manifest.model, BottomUpSpec)
        self._network = network
        self._names = (manifest.model.coarse, manifest.model.fine)
        self._device = next(network.parameters()).device
        self.input = TensorSpec("image", (1, 3, "H", "W"), "tensor(float)")

    @torch.no_grad()
    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Both outputs."""
        outputs = self._network(torch.from_numpy(batch).to(self._device))
        return {
            name: maps.float().cpu().numpy()
            for name, maps in zip(self._names, outputs, strict=True)
        }

    def close(self) -> None:
        """Nothing to free."""


class BottomUpValidator:
    """Scores a bottom-up network on a COCO file's photographs as the runtime will run it.

    Args:
        dataset: Photographs and labels.
        manifest: The network's.
        resize: Input policy, as of the runtime.
        min_peak: Heat below which a peak is no keypoint; the manifest's unless given.
        most: Score on at most so many photographs, evenly spread over the file.
    """

    def __init__(
        self,
        dataset: CocoDataset,
        manifest: Manifest,
        *,
        resize: Resize = "published",
        min_peak: float | None = None,
        most: int | None = None,
    ) -> None:
        count = len(dataset) if most is None else min(most, len(dataset))
        chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
        self._annotations = dataset.path
        self._ids = [dataset.images[i].image_id for i in chosen]
        self._photographs = read_photographs(dataset.images[i].path for i in chosen)
        assert isinstance(manifest.model, BottomUpSpec)
        if min_peak is not None:
            spec = msgspec.structs.replace(manifest.model, min_peak=min_peak)
            manifest = msgspec.structs.replace(manifest, model=spec)
        self._manifest, self._resize = manifest, resize

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """AP, AP50, AP75 and AR of the network's people."""
        was_training = network.training
        network.eval()
        recipe = BottomUp(
            lambda _: TorchSession(network, self._manifest),
            self._manifest,
            1,
            BottomUpOptions(resize=self._resize),
        )
        results: list[dict[str, Any]] = []
        for image_id, photograph in zip(self._ids, self._photographs, strict=True):
            results += recipe(photograph).to_coco(image_id)
        network.train(was_training)
        return coco_metrics(self._annotations, results, "keypoints", self._ids).to_dict()
