"""How heatmap targets are drawn; importable without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

# The default of every kind of pose run.
TEACHER_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """How targets are drawn.

    Attributes:
        stride: Input pixels a heatmap cell.
        sigma_cells: Spread of the Gaussians.
        teacher_share: Weight of the teacher's map against the labels' Gaussian.
    """

    stride: int = 8
    sigma_cells: float = 1.0
    teacher_share: float = TEACHER_SHARE
