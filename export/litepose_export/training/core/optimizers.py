"""Which optimiser takes which weights of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from litepose_export.training.core.initialization import normalised_layers
from litepose_export.training.core.muon import Muon
from litepose_export.training.core.schedule import Schedule


def make_optimizers(network: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the kernels of hidden layers where the schedule wants it, AdamW for the rest.

    A dense convolution with a normalisation behind it is a hidden layer, not a prediction. The
    stem, which sees colours, is left to AdamW as well. Every parameter group remembers its peak
    rate as `"peak"`.

    Args:
        network: Whose parameters to train.
        schedule: Gives peak rates and weight decay.

    Returns:
        AdamW, and Muon behind it where it has weights to train.
    """
    hidden: list[Tensor] = []
    if schedule.muon_rate is not None:
        layers = dict(network.named_modules())
        convolutions = [layers[name] for name in normalised_layers(network)]
        hidden = [
            layer.weight
            for layer in convolutions
            if isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.in_channels > 3
        ]
    taken = {id(weight) for weight in hidden}
    rest = [p for p in network.parameters() if id(p) not in taken]
    rate = schedule.learning_rate
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [
                {"params": [p for p in rest if p.ndim > 1], "weight_decay": schedule.weight_decay},
                {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=rate,
        )
    ]
    if hidden:
        assert schedule.muon_rate is not None
        optimizers.append(Muon(hidden, lr=schedule.muon_rate, weight_decay=schedule.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers
