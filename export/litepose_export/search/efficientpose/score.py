"""Scores networks of the space with the weights they inherit, in whichever process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from litepose_export.models.architectures.efficientpose import EfficientPose
from litepose_export.models.checkpoints import read_checkpoint
from litepose_export.search.efficientpose.space import EfficientPoseSpace
from litepose_export.search.efficientpose.supernet import derived_network, make_supernet
from litepose_export.search.efficientpose.task import CropHalves
from litepose_export.search.space import Genes
from litepose_export.search.supernet.recalibration import recalibrate


@dataclass(frozen=True, slots=True)
class MakeInheritedScore:
    """Makes the scorer.

    Attributes:
        space: Which networks there are.
        task: What was learned.
        checkpoint: A search's state.
        threads: CPU threads of PyTorch, or None to leave them.
    """

    space: EfficientPoseSpace
    task: CropHalves
    checkpoint: Path
    threads: int | None = None

    def __call__(self) -> Callable[[Genes], float]:
        """The scorer: average precision on dev."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        evaluate = self.task.validator()
        inherit = self.inherit()
        return lambda genes: float(evaluate(inherit(genes))["ap"])

    def inherit(self) -> Callable[[Genes], EfficientPose]:
        """What makes a network with its weights of the super-network and statistics of its own."""
        supernet = make_supernet(self.space)
        supernet.load_state_dict(read_checkpoint(self.checkpoint)["network"])

        def network(genes: Genes) -> EfficientPose:
            found = derived_network(supernet, self.space, genes)
            recalibrate(found, self.task.recalibration_images())
            return found

        return network

    def for_process(self) -> MakeInheritedScore:
        """The same without photographs in memory, to be sent to another process."""
        return replace(self, task=replace(self.task, _halves={}))
