"""Networks whose layers choose among operators: the weights of all of them live side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Gate:
    """Which operators of one layer run.

    Attributes:
        operators: Their indices: one, or a few that are mixed.
        weights: `(len(operators),)` float, of the sum; None for a single operator as it is.
    """

    operators: tuple[int, ...]
    weights: Tensor | None = None


def single(choice: Sequence[int]) -> tuple[Gate, ...]:
    """The gates of one network of a space: one operator a layer."""
    return tuple(Gate((operator,)) for operator in choice)


class MixedLayer(nn.Module):
    """One layer's operators, of which only the chosen ones run.

    Args:
        operators: All take and give the same shapes.
    """

    def __init__(self, operators: Sequence[nn.Module]) -> None:
        super().__init__()
        self.operators = nn.ModuleList(operators)

    def forward(self, x: Tensor, gate: Gate) -> Tensor:
        """The chosen operator's output, or the weighted sum of the chosen ones'."""
        outputs: list[Tensor] = [self.operators[i](x) for i in gate.operators]
        if gate.weights is None:
            return outputs[0]
        total = gate.weights[0] * outputs[0]
        for weight, output in zip(gate.weights[1:], outputs[1:], strict=True):
            total = total + weight * output
        return total


class MixedNetwork(nn.Module):
    """A network with layers to choose, between parts that all choices share.

    Args:
        before: Shared, in front.
        layers: In order; the output of each is the input of the next.
        after: Shared, behind.

    Attributes:
        gates: One a layer; set before each pass. At first every layer runs its first operator.
    """

    def __init__(self, before: nn.Module, layers: Sequence[MixedLayer], after: nn.Module) -> None:
        super().__init__()
        self.before, self.after = before, after
        self.layers = nn.ModuleList(layers)
        self.gates: tuple[Gate, ...] = single([0] * len(self.layers))

    @property
    def operator_counts(self) -> tuple[int, ...]:
        """How many operators each layer chooses among."""
        return tuple(len(layer.operators) for layer in self.layers if isinstance(layer, MixedLayer))

    def forward(self, x: Tensor) -> Tensor:
        """What the chosen operators compute."""
        x = self.before(x)
        for layer, gate in zip(self.layers, self.gates, strict=True):
            x = layer(x, gate)
        result: Tensor = self.after(x)
        return result
