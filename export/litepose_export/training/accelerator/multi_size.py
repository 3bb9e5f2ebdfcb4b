"""Multi-size training: networks that learn together from the same crops, each at its own input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from litepose_export.training.accelerator.sampler import AcceleratorBatch
from litepose_export.training.core.losses import LOSSES


class MultiSizeNetworks(nn.Module):
    """Several networks as one: images in, maps out, in the order of the names.

    Args:
        members: Networks by name.
    """

    def __init__(self, members: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleDict(dict(members))

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        """Maps of every network, of its own images."""
        return tuple(
            network(batch) for network, batch in zip(self.members.values(), images, strict=True)
        )


@dataclass(slots=True)
class MultiSizeLoss:
    """Sum of the members' losses on a batch, in bfloat16.

    Attributes:
        device: `"cpu"` or `"cuda"`, where the networks are recorded as CUDA graphs.
        kind: One of `LOSSES`.
    """

    device: str
    kind: str = "rce"
    _recorded: set[int] = field(default_factory=set)

    def __call__(self, network: nn.Module, batch: AcceleratorBatch) -> Tensor:
        """Scalar loss, with a graph behind it."""
        # Recorded kernels cast the weights themselves; a cache would keep old ones.
        with torch.autocast(self.device, dtype=torch.bfloat16, cache_enabled=False):
            if self.device == "cuda" and network.training and id(network) not in self._recorded:
                torch.cuda.make_graphed_callables(network, batch.images)
                self._recorded.add(id(network))
            outputs: tuple[Tensor, ...] = network(*batch.images)
        loss = LOSSES[self.kind]
        losses = [
            loss(maps.float(), targets, batch.weights)
            for maps, targets in zip(outputs, batch.targets, strict=True)
        ]
        return torch.stack(losses).sum()
