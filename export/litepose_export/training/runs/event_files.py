"""TensorBoard's event files beside the log of a run (extra `tensorboard`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from litepose_export.training.core.loop import Progress


class EventFiles:
    """Writes the figures of a run to event files; a run that goes on adds a file.

    Args:
        folder: Where they go.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder))

    def stepped(self, progress: Progress, learning_rate: float) -> None:
        """Figures of the last steps."""
        self._write(
            {
                "train/loss": progress.loss,
                "train/learning_rate": learning_rate,
                "train/crops_per_second": progress.crops_per_second,
                "train/input_height": progress.input_height,
            },
            progress.step,
        )

    def scored(self, metrics: Mapping[str, float], step: int) -> None:
        """Figures on the dev file."""
        self._write({f"dev/{name}": value for name, value in metrics.items()}, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is not yet written."""
        self._writer.close()

    def _write(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
