"""Hints: a network's hidden features learn to predict those of a trained teacher.

Heatmaps are empty nearly everywhere and give the first layers little gradient; a teacher's features
give one at every cell. FitNets (Romero et al., ICLR 2015, arXiv 1412.6550).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_export.errors import ExportError
from litepose_export.models.architectures.litepose import FusionHead
from litepose_export.training.core.precision import trains_in_bfloat16

# Of the five features that the head takes: strides 8, 16 and 16 again. The finer ones are
# edges and colours, which every network learns by itself.
HINTED = slice(2, None)
# Hints count in full up to the first part of a run and fall to a tenth at the second: in the end
# the labels decide.
FULL_UNTIL, REDUCED_FROM, REDUCED = 0.6, 0.82, 0.1
_PROBE = 64


class Hints(nn.Module):
    """Linear maps from a network's features to a teacher's, trained along and thrown away.

    Args:
        student: Its features are hinted at.
        teacher: Kept as it is.
        weight: Of the hints' error against the loss at the start of a run.

    Raises:
        ExportError: The teacher's features are not at the student's strides.
    """

    def __init__(self, student: FusionHead, teacher: FusionHead, weight: float = 0.2) -> None:
        super().__init__()
        self.weight = self._full_weight = weight
        # In a tuple, so that it is no part of what is trained and stored.
        self._teacher = (teacher.eval().requires_grad_(False),)
        ours, theirs = _shapes(student), _shapes(teacher)
        if any(a[2:] != b[2:] for a, b in zip(ours, theirs, strict=True)):
            raise ExportError("the teacher's features have other strides than the network's")
        self.maps = nn.ModuleList(
            nn.Conv2d(a[1], b[1], 1) for a, b in zip(ours, theirs, strict=True)
        )
        # Every channel of the teacher's counts the same, whatever its variance.
        self.scales = nn.ModuleList(nn.BatchNorm2d(b[1], affine=False) for b in theirs)

    def set_progress(self, part: float) -> None:
        """Weigh the hints for a part of the run, in `[0, 1]`."""
        fallen = min(max((part - FULL_UNTIL) / (REDUCED_FROM - FULL_UNTIL), 0.0), 1.0)
        self.weight = self._full_weight * (1 - (1 - REDUCED) * fallen)

    def forward(self, images: Tensor, features: list[Tensor]) -> Tensor:
        """Weighted squared error of the predicted features, a scalar.

        Args:
            images: `(N, 3, H, W)` normalised RGB.
            features: The student's five, of the same images.
        """
        kind = images.device.type
        half = trains_in_bfloat16(self._teacher[0], images)
        with torch.no_grad(), torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
            theirs = self._teacher[0].features(images)[HINTED]
        errors = [
            F.mse_loss(to_teacher(ours.float()), scale(hint.float()))
            for ours, hint, to_teacher, scale in zip(
                features[HINTED], theirs, self.maps, self.scales, strict=True
            )
        ]
        return self.weight * torch.stack(errors).sum()


@torch.no_grad()
def _shapes(network: FusionHead) -> list[torch.Size]:
    """Shapes of the hinted features, leaving statistics as they are."""
    training = network.training
    parameter = next(network.parameters())
    shapes = [f.shape for f in network.eval().features(parameter.new_zeros(1, 3, _PROBE, _PROBE))]
    network.train(training)
    return shapes[HINTED]
