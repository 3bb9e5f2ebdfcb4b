"""How heatmap targets are drawn; importable without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from litepose_edge.manifest import Alignment

# Defaults: of every kind of pose run, and between checkpoints of every run.
TEACHER_SHARE = 0.4
CHECKPOINT_MINUTES = 4.0


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """How targets are drawn.

    Attributes:
        stride: Input pixels a heatmap cell.
        sigma_cells: Spread of the Gaussians.
        teacher_share: Weight of the teacher's map against the labels' Gaussian.
        alignment: Where cells lie in the input (`litepose_edge.decoding.heatmaps.cells_to_input`).
    """

    stride: int = 8
    sigma_cells: float = 1.0
    teacher_share: float = TEACHER_SHARE
    alignment: Alignment = "centre"
