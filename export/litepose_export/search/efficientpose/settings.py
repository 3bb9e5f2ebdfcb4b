"""What a differentiable search is told, with its defaults and where each comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from litepose_edge.options import whole_number
from litepose_export.training.core.schedule import Schedule

# Weights learn as networks of this family do here; rates fall to the end.
WEIGHT_SCHEDULE = Schedule(
    batch=32, learning_rate=1e-3, muon_rate=None, warmup_steps=50, weight_decay=0.01
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How weights and architecture are learned.

    Published for FNA (arXiv 2006.12986), whose authors' search EfficientPose's is: weights and
    architecture in turns on halves of the data, a warm-up without architecture steps, the cost
    term's base, Adam and its betas and weight decay, one operator a layer in a weight step. Ours,
    since EfficientPose's own values are not published: everything marked so below.

    Attributes:
        steps: Optimiser steps in all, both kinds.
        warmup: Part of them, at the start, without architecture steps; FNA's is 8 of 14 to 15 of
            20 epochs. Ours is shorter: paths are dealt fairly meanwhile.
        branches: Operators a layer runs in an architecture step.
        temperature: Of the Gumbel softmax, at the first architecture step and at the last. Ours.
        architecture_rate: Adam's rate for the logits; unless given, `travel` over the number of
            architecture steps, and not below FNA's 3e-4. Ours: FNA takes some twenty thousand
            architecture steps, with which 3e-4 moves a logit as far.
        travel: How far a logit can move in a run. Ours.
        weight_decay: Of the logits.
        base: The cost term is `log(cost) / log(base)`.
        cost_weight: Of the cost term, against a task loss of 1: the task loss is divided by its
            running mean, so that the weight means the same for every loss. FNA's .02 and .15 are
            against losses of detectors. It then follows the budget (`CostWeight`). Ours.
        cost_gain: How fast it follows, the exponent of `CostWeight`. Ours.
        tolerance: Part of the budget that the derived network may leave unspent.
        spend: Whether the derived network has to spend the rest.
        segment: Steps between saved states. A segment's random numbers depend on the seed and
            its number alone.
        weights: Rates of the weights' steps.
    """

    steps: int
    warmup: float = 0.4
    branches: int = 2
    temperature: tuple[float, float] = (5.0, 0.5)
    architecture_rate: float | None = None
    travel: float = 6.0
    weight_decay: float = 1e-3
    base: float = 10.0
    cost_weight: float = 0.15
    cost_gain: float = 0.3
    tolerance: float = 0.05
    spend: bool = True
    segment: int = 50
    weights: Schedule = WEIGHT_SCHEDULE

    def __post_init__(self) -> None:
        whole_number("steps", self.steps, 2)
        whole_number("segment", self.segment, 1)
        whole_number("branches", self.branches, 2)
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must be a part of the run in [0, 1), got {self.warmup}")
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance must be in [0, 1), got {self.tolerance}")
        if not min(self.temperature) > 0:
            raise ValueError(f"temperatures must be above 0, got {self.temperature}")
        if not self.base > 1:
            raise ValueError(f"base must be above 1, got {self.base}")

    @property
    def warmup_steps(self) -> int:
        """Steps before the first architecture step."""
        return round(self.warmup * self.steps)

    @property
    def architecture_steps(self) -> int:
        """How many steps are of the architecture: every other one after the warm-up."""
        return max(1, (self.steps - self.warmup_steps) // 2)

    def is_architecture_step(self, step: int) -> bool:
        """Whether a step, from 0, is of the architecture."""
        after = step - self.warmup_steps
        return after >= 0 and after % 2 == 1

    def temperature_at(self, step: int) -> float:
        """The Gumbel softmax's temperature at a step: falls geometrically after the warm-up."""
        first, last = self.temperature
        part = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return first * math.exp(math.log(last / first) * min(max(part, 0.0), 1.0))

    @property
    def logit_rate(self) -> float:
        """Adam's rate for the logits."""
        if self.architecture_rate is not None:
            return self.architecture_rate
        return max(3e-4, self.travel / self.architecture_steps)
