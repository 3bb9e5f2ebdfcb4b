"""The loss of a supernet's step: that of the sub-networks which learn at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from litepose_export.search.space import Genes, Space
from litepose_export.search.supernet.sampling import SubNetworks
from litepose_export.search.supernet.sharing import empty_network, loss_within, tensors_of

Outputs = list[Tensor]


class Distils(Protocol):
    """What in-place distillation needs to know of a task."""

    def record(self, network: nn.Module, outputs: Outputs) -> None:
        """Let a network append what it computes to a list."""

    def distillation(self, outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Loss of a sub-network's outputs against the largest one's."""


@dataclass(slots=True)
class SupernetLoss:
    """The mean loss of the step's sub-networks, each computed with the supernet's tensors.

    Attributes:
        space: Which networks there are.
        chosen: Draws them.
        loss: Of one network on a batch.
        size: The option of `input_size` that batches have; None where that is no choice.
        step: The next one's number.
        task: For in-place distillation, or None: what the first, largest network of a step
            computes is a target of the others (arXiv 1903.05134, section 3.1).
        share: Weight of that against the labels.
    """

    space: Space
    chosen: SubNetworks
    loss: Callable[[nn.Module, Any], Tensor]
    size: int | None = None
    step: int = 0
    task: Distils | None = None
    share: float = 0.5

    def __call__(self, network: nn.Module, batch: Any) -> Tensor:
        """Scalar loss, with a graph behind it."""
        full = tensors_of(network)
        losses: list[Tensor] = []
        targets: Outputs | None = None
        for genes in self.chosen.at(self.step, self.size):
            value, outputs = self._one(genes, full, batch)
            if self.task is not None and targets is not None:
                value = (1 - self.share) * value
                value = value + self.share * self.task.distillation(outputs, targets)
            elif self.task is not None:
                targets = [each.detach() for each in outputs]
            losses.append(value)
        self.step += 1
        return torch.stack(losses).mean()

    def _one(self, genes: Genes, full: dict[str, Tensor], batch: Any) -> tuple[Tensor, Outputs]:
        part, outputs = empty_network(self.space, genes), Outputs()
        if self.task is not None:
            self.task.record(part, outputs)
        return loss_within(part, full, self.loss, batch), outputs
