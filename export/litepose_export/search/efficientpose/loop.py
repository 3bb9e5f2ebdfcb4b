"""The differentiable search: weights and architecture in turns, on data of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from litepose_export.errors import CheckpointError
from litepose_export.search.efficientpose.cost import Costs, CostWeight, cost_term, expected_cost
from litepose_export.search.efficientpose.derive import argmax, derive
from litepose_export.search.efficientpose.mixed import MixedNetwork, single
from litepose_export.search.efficientpose.sampling import FairPaths, draw_path, gumbel_gates
from litepose_export.search.efficientpose.settings import SearchSettings
from litepose_export.training.core.optimizers import make_optimizers

WEIGHTS, ARCHITECTURE = "weights", "architecture"  # the two halves of the data
CLIP = 5.0
MEMORY = 0.9  # of the running mean of the task loss

# `(half of the data, number of the segment) -> batches` without end, the same whenever asked.
Batches = Callable[[str, int], Generator[Any, None, None]]
Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """Where a search stands after a segment.

    Attributes:
        step: Steps done.
        steps: In all.
        weights_loss: Mean task loss of the segment's weight steps; None where it had none.
        architecture_loss: Mean task loss of its architecture steps; None in the warm-up.
        expected_cost: Of networks drawn by the probabilities.
        argmax_cost: Of the network of the most probable operators.
        cost_weight: Of the cost term.
        confidence: Mean over layers of the largest probability.
    """

    step: int
    steps: int
    weights_loss: float | None
    architecture_loss: float | None
    expected_cost: float
    argmax_cost: float
    cost_weight: float
    confidence: float


class DifferentiableSearch:
    """Learns the weights of a super-network and the probabilities of its operators.

    A weight step runs one operator a layer: dealt fairly in the warm-up, drawn by probability
    after it. An architecture step runs two a layer, mixed by a Gumbel softmax, on the other half
    of the data, and moves only the logits.

    Args:
        network: Trained in place.
        costs: Of its operators.
        budget: In the costs' unit.
        loss: Task loss of the network on a batch.
        batches: The data.
        settings: How.
        seed: Of paths and noise.
    """

    def __init__(
        self,
        network: MixedNetwork,
        costs: Costs,
        budget: float,
        *,
        loss: Loss,
        batches: Batches,
        settings: SearchSettings,
        seed: int,
    ) -> None:
        costs.check_budget(budget)
        if tuple(map(len, costs.entries)) != network.operator_counts:
            raise ValueError(
                f"expected costs for {network.operator_counts} operators, one list a layer, got "
                f"{tuple(map(len, costs.entries))}"
            )
        self.network, self.costs, self.budget = network, costs, budget
        self.logits = [torch.zeros(count, requires_grad=True) for count in network.operator_counts]
        self.settings, self._seed = settings, seed
        self._loss, self._batches = loss, batches
        self._optimizers = make_optimizers(network, settings.weights)
        self._architecture = torch.optim.Adam(
            self.logits,
            lr=settings.logit_rate,
            betas=(0.5, 0.999),
            weight_decay=settings.weight_decay,
        )
        self._weight = CostWeight(settings.cost_weight, settings.cost_gain)
        self._scale: float | None = None  # running mean of the architecture steps' task loss
        self.step = 0

    @property
    def done(self) -> bool:
        """Whether all steps are."""
        return self.step >= self.settings.steps

    def choice(self, budget: float | None = None) -> tuple[int, ...]:
        """The network derived for a budget; the search's own unless given.

        Raises:
            SearchError: No network of the space costs as little.
        """
        return derive(
            self.logits,
            self.costs,
            self.budget if budget is None else budget,
            tolerance=self.settings.tolerance,
            spend=self.settings.spend,
        )

    def run_segment(self, on_step: Callable[[], None] = lambda: None) -> SegmentReport:
        """Do the steps up to the next state worth saving.

        The same state gives the same result: all random numbers are of the segment.
        """
        settings = self.settings
        segment, left = divmod(self.step, settings.segment)
        if left:
            raise ValueError(f"a segment begins every {settings.segment} steps, not at {self.step}")
        rng = np.random.default_rng((self._seed, segment))
        fair = FairPaths(self.network.operator_counts, rng)
        losses: dict[str, list[float]] = {WEIGHTS: [], ARCHITECTURE: []}
        self.network.train()
        with (
            contextlib.closing(self._batches(WEIGHTS, segment)) as of_weights,
            contextlib.closing(self._batches(ARCHITECTURE, segment)) as of_architecture,
        ):
            while self.step < min((segment + 1) * settings.segment, settings.steps):
                if settings.is_architecture_step(self.step):
                    lost = self._architecture_step(next(of_architecture), rng)
                    losses[ARCHITECTURE].append(lost)
                else:
                    warm = self.step < settings.warmup_steps
                    path = fair.draw() if warm else draw_path(self.logits, rng)
                    losses[WEIGHTS].append(self._weight_step(next(of_weights), path))
                self.step += 1
                on_step()
        means = {half: sum(found) / len(found) for half, found in losses.items() if found}
        return self._report(means)

    def _report(self, means: Mapping[str, float]) -> SegmentReport:
        with torch.no_grad():
            expected = float(expected_cost(self.logits, self.costs))
            top = [float(torch.softmax(layer, dim=0).max()) for layer in self.logits]
        return SegmentReport(
            step=self.step,
            steps=self.settings.steps,
            weights_loss=means.get(WEIGHTS),
            architecture_loss=means.get(ARCHITECTURE),
            expected_cost=expected,
            argmax_cost=self.costs.of(argmax(self.logits)),
            cost_weight=self._weight.value,
            confidence=sum(top) / max(1, len(top)),
        )

    def _weight_step(self, batch: Any, path: tuple[int, ...]) -> float:
        factor = self.settings.weights.factor(self.step, self.step / self.settings.steps)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        self.network.gates = single(path)
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self.network, batch)
        if loss.requires_grad:  # there may be nothing to learn in operators that do nothing
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        # Operators that did not run have no gradient, and the optimisers leave them alone.
        for optimizer in self._optimizers:
            optimizer.step()
        return float(loss.detach())

    def _architecture_step(self, batch: Any, rng: np.random.Generator) -> float:
        settings = self.settings
        temperature = settings.temperature_at(self.step)
        self.network.gates = gumbel_gates(self.logits, temperature, rng, settings.branches)
        task = self._loss(self.network, batch)
        lost = float(task.detach())
        self._scale = lost if self._scale is None else MEMORY * self._scale + (1 - MEMORY) * lost
        cost = expected_cost(self.logits, self.costs)
        loss = task / max(self._scale, 1e-12)
        loss = loss + self._weight.value * cost_term(cost, settings.base)
        # Of the logits alone: nothing is computed for the weights.
        gradients = torch.autograd.grad(loss, self.logits)
        for layer, gradient in zip(self.logits, gradients, strict=True):
            layer.grad = gradient
        self._architecture.step()
        self._weight.follow(float(expected_cost(self.logits, self.costs).detach()), self.budget)
        return lost

    def state(self) -> dict[str, Any]:
        """Everything that the next segment depends on, but for the data."""
        return {
            "network": self.network.state_dict(),
            "logits": [layer.detach() for layer in self.logits],
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "architecture": self._architecture.state_dict(),
            "cost_weight": self._weight.value,
            "scale": self._scale,
            "step": self.step,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Raises:
            CheckpointError: It is of another search.
        """
        try:
            self.network.load_state_dict(state["network"])
            with torch.no_grad():
                for layer, value in zip(self.logits, state["logits"], strict=True):
                    layer.copy_(value)
            for optimizer, stored in zip(self._optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(stored)
            self._architecture.load_state_dict(state["architecture"])
            self._weight.value, self._scale = state["cost_weight"], state["scale"]
            self.step = state["step"]
        except (RuntimeError, KeyError, TypeError, ValueError) as exc:
            raise CheckpointError(f"the saved state is of another search: {exc}") from exc
