"""Muon: momentum whose update is made orthogonal, for the kernels of convolutions.

Jordan et al., 2024 (kellerjordan.github.io/posts/muon): the momentum of a weight matrix is
replaced by the nearest (semi-)orthogonal matrix, found by a few Newton-Schulz steps, so that
directions a gradient rarely points in get their share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

from litepose_export.training.core.precision import bfloat16_pays

STEPS = 5
# Quintic that pushes singular values towards 1, steep at 0 rather than exact at 1.
A, B, C = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum with decoupled weight decay.

    Args:
        params: Weights of two or more dimensions; the first is the outputs.
        lr: Size of an update: an orthogonal matrix times this.
        momentum: Of the gradients, Nesterov's.
        weight_decay: Part of a weight that `lr = 1` would take away in a step.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient, those of one shape together."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[len(weight), weight[0].numel()].append(weight)
            for weights in alike.values():
                self._update(weights, group)

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Move weights that are matrices of one shape."""
        gradients = torch.stack([cast(Tensor, w.grad).flatten(1) for w in weights])
        moved = [self.state[w].setdefault("momentum", torch.zeros_like(w)) for w in weights]
        momentum = torch.stack([m.flatten(1) for m in moved])
        momentum.mul_(group["momentum"]).add_(gradients)
        shapes = [weight.shape for weight in weights]
        torch._foreach_copy_(moved, _shaped(momentum, shapes))
        updates = orthogonal(gradients.add_(momentum, alpha=group["momentum"]))
        # Tall matrices would otherwise move their outputs less than wide ones do.
        rows, columns = updates.shape[1:]
        rate = group["lr"] * max(1.0, rows / columns) ** 0.5
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, _shaped(updates, shapes), alpha=-rate)


def _shaped(matrices: Tensor, shapes: list[torch.Size]) -> list[Tensor]:
    """Matrices one by one, in the shapes of the weights they are of."""
    return [matrix.view(shape) for matrix, shape in zip(matrices, shapes, strict=True)]


def orthogonal(matrices: Tensor) -> Tensor:
    """Roughly the nearest semi-orthogonal matrices, in bfloat16 arithmetic where that is faster.

    Args:
        matrices: `(N, rows, columns)` float32.

    Returns:
        The same shape.
    """
    x = matrices.bfloat16() if bfloat16_pays(matrices.device.type) else matrices
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    result: Tensor = (x.mT if tall else x).to(matrices.dtype)
    return result
