"""Moves a network's scores, so that one of the user's choice becomes the runtime's default."""

from __future__ import annotations

import math

import torch
from torch import nn

from litepose_edge.manifest import HeatmapSpec, Manifest, TopDownSpec
from litepose_export.errors import ExportError
from litepose_export.models.architectures.lrpose import LRPose
from litepose_export.models.architectures.persondet import PersonDet

SHOWN_SCORE = 0.3  # the runtime's default min_score


@torch.no_grad()
def shift_scores(network: nn.Module, threshold: float, manifest: Manifest) -> float:
    """Make a score the one that is shown by default, by a constant added to the logits.

    Args:
        network: A detector or LRPose; changed in place.
        threshold: The score that shall become 0.3, between 0 and 1.
        manifest: Says whether the outputs are logits.

    Returns:
        By how much log-odds the scores moved.

    Raises:
        ExportError: The network's outputs are no logits, or no score is meant.
    """
    if not 0 < threshold < 1:
        raise ExportError(f"expected a threshold between 0 and 1, got {threshold:g}")
    match network, manifest.model:
        case PersonDet(), _:
            layers = list(network.scores)
        case LRPose(), TopDownSpec(heatmaps=HeatmapSpec(activation="sigmoid")):
            layers = [network.predict]
        case _:
            raise ExportError(
                "a threshold is for detectors, bottom-up networks and LRPose's logits"
            )
    shift = _logit(SHOWN_SCORE) - _logit(threshold)
    for layer in layers:
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        layer.bias += shift
    return shift


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
