"""Average precision of a bottom-up network in training, from whole photographs without boxes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from litepose_edge.backends.session import TensorSpec
from litepose_edge.manifest import BottomUpSpec, Manifest
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_edge.measure.accuracy.coco_metrics import coco_metrics
from litepose_edge.pipelines.bottomup import BottomUp
from litepose_edge.pipelines.bottomup_options import BottomUpOptions, Resize
from litepose_export.errors import ExportError
from litepose_export.training.bottomup.views import has_keypoints
from litepose_export.training.core.photographs import read_photographs


class TorchSession:
    """A PyTorch network of free input size as a session of the runtime."""

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
        resize: Input policy of the runtime.
        min_peak: Heat below which a peak is no keypoint; the manifest's unless given.
        max_photographs: Score on at most so many photographs, evenly spread over the file.

    Raises:
        ExportError: No one in these photographs has labelled keypoints.
        SourceError: A photograph is missing or cannot be read.
    """

    def __init__(
        self,
        dataset: CocoDataset,
        manifest: Manifest,
        *,
        resize: Resize = "published",
        min_peak: float | None = None,
        max_photographs: int | None = None,
    ) -> None:
        count = len(dataset)
        if max_photographs is not None:
            count = min(max_photographs, count)
        chosen = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
        images = [dataset.images[i] for i in chosen]
        if not any(has_keypoints(image).any() for image in images):
            raise ExportError(
                f"nothing to score on in {dataset.path}: expected people with labelled keypoints, "
                f"got none in {len(images)} photographs"
            )
        self._annotations = dataset.path
        self._ids = [image.image_id for image in images]
        self._photographs = read_photographs(image.path for image in images)
        assert isinstance(manifest.model, BottomUpSpec)
        self._sigmas = manifest.model.skeleton.oks_sigmas
        if min_peak is not None:
            spec = msgspec.structs.replace(manifest.model, min_peak=min_peak)
            manifest = msgspec.structs.replace(manifest, model=spec)
        self._manifest, self._resize = manifest, resize

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """AP, AP50, AP75 and AR of the network's people."""
        was_training = network.training
        network.eval()
        pipeline = BottomUp(
            lambda _: TorchSession(network, self._manifest),
            self._manifest,
            1,
            BottomUpOptions(resize=self._resize),
        )
        results: list[dict[str, Any]] = []
        for image_id, photograph in zip(self._ids, self._photographs, strict=True):
            results += pipeline(photograph).to_coco(image_id)
        network.train(was_training)
        return coco_metrics(
            self._annotations, results, "keypoints", self._ids, self._sigmas
        ).to_dict()
