"""Sub-networks as parts of one large network: leading channels, first blocks, centres of kernels.

Whatever two networks of a space have under one name is shared: each tensor of the smaller one is a
slice of the larger one's. So neither family needs layers of its own for a supernet, and
checkpoints of published supernets, which are the largest network's, load as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from litepose_export.errors import SearchError
from litepose_export.search.space import Genes, Space

LAYER = "network"


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; as they are, so that gradients reach them."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def shared_tensors(full: Mapping[str, Tensor], part: nn.Module) -> dict[str, Tensor]:
    """What a sub-network's tensors are of the large network's, as views.

    Args:
        full: The large network's, from `tensors_of` or `state_dict`.
        part: The sub-network; only names and shapes count.

    Raises:
        SearchError: It has a tensor that the large one has not, or a larger one.
    """
    return {name: _slice(full, name, own) for name, own in tensors_of(part).items()}


def _slice(full: Mapping[str, Tensor], name: str, own: Tensor) -> Tensor:
    source = full.get(name)
    fits = source is not None and source.ndim == own.ndim
    if (
        source is None
        or not fits
        or any(h < w for h, w in zip(source.shape, own.shape, strict=True))
    ):
        what = "nothing" if source is None else tuple(source.shape)
        raise SearchError(
            f"'{name}' of the sub-network is {tuple(own.shape)}, the supernet has {what}: these "
            "weights are of another space"
        )
    for axis, (have, wanted) in enumerate(zip(source.shape, own.shape, strict=True)):
        if have != wanted:
            first = (have - wanted) // 2 if axis >= 2 else 0  # kernels keep their middle
            source = source.narrow(axis, first, wanted)
    return source


def sub_network(space: Space, genes: Genes, full: Mapping[str, Tensor]) -> nn.Module:
    """A network of its own with a copy of its part of the weights.

    Its normalisations still have the statistics that all widths share: see `recalibration`.

    Args:
        space: Which networks there are.
        genes: Which one.
        full: The supernet's tensors.

    Raises:
        SearchError: They are of another space.
    """
    network = space.build(genes)
    taken = shared_tensors(full, network)
    network.load_state_dict({name: tensor.detach().clone() for name, tensor in taken.items()})
    return network


class _WithLoss(nn.Module):
    """A network and its loss as one module, so that both are called with other tensors."""

    def __init__(self, network: nn.Module, loss: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.network, self._loss = network, loss

    def forward(self, batch: Any) -> Tensor:
        """The loss on a batch."""
        return self._loss(self.network, batch)


def loss_within(
    network: nn.Module,
    full: Mapping[str, Tensor],
    loss: Callable[[nn.Module, Any], Tensor],
    batch: Any,
) -> Tensor:
    """Loss of a sub-network that computes with the supernet's own tensors.

    Gradients reach the supernet, and its normalisations' statistics are updated.

    Args:
        network: The sub-network, from `empty_network`.
        full: The supernet's tensors.
        loss: Of a network on a batch.
        batch: What `loss` takes.
    """
    taken = {f"{LAYER}.{n}": tensor for n, tensor in shared_tensors(full, network).items()}
    value: Tensor = functional_call(_WithLoss(network, loss), taken, (batch,))
    return value


def empty_network(space: Space, genes: Genes) -> nn.Module:
    """A network without weights of its own, in training mode: made in a millisecond or two."""
    with torch.device("meta"):
        return space.build(genes).train()
