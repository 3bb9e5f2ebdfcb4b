"""Trains a supernet in legs: each begins from a checkpoint and draws from seeds of its own.

A leg that was killed is done again from its beginning, with the same samples and sub-networks, so
that the weights in the end are those of a training that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from litepose_edge.geometry import Size
from litepose_export.models.checkpoints import read_checkpoint
from litepose_export.search.job import SearchDisplay
from litepose_export.search.space import Space
from litepose_export.search.supernet.loss import SupernetLoss
from litepose_export.search.supernet.sampling import SIZE, SubNetworks
from litepose_export.search.supernet.tasks import Task
from litepose_export.training.core.loop import Budget, Progress, Trainer
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.data.prefetcher import Prefetcher

LEG = 200  # steps at one input size; also what a kill may cost


@dataclass(frozen=True, slots=True)
class SupernetSchedule(Schedule):
    """A cosine over all legs: a trainer knows only its own.

    Attributes:
        total: Steps of all legs.
    """

    total: int = 1

    def factor(self, step: int, progress: float) -> float:
        """Part of the peak rates at a step."""
        return Schedule.factor(self, step, step / self.total)


@dataclass(frozen=True, slots=True)
class SupernetOptions:
    """How a supernet is trained.

    Attributes:
        sandwich: The largest and the smallest sub-network learn at every step, too.
        drawn: Random sub-networks a step.
        distil: In-place distillation; with `sandwich` only, which has the largest in each step.
        shrinking: Gradual shrinking.
        leg: Steps at one input size.
    """

    sandwich: bool = False
    drawn: int = 1
    distil: bool = False
    shrinking: bool = False
    leg: int = LEG


def sizes_of(space: Space) -> list[Size | None]:
    """Input sizes that a supernet learns at, by option; one None where that is no choice."""
    for choice in space.choices:
        if choice.name == SIZE:
            place = space.choices.index(choice)
            base = space.largest
            return [
                space.input_size((*base[:place], i, *base[place + 1 :]))
                for i in range(len(choice.options))
            ]
    return [None]


@dataclass(frozen=True, slots=True)
class SupernetTraining:
    """A training of a supernet.

    Attributes:
        space: Which networks there are.
        task: What is learned.
        steps: Of all legs.
        folder: Of checkpoint and log; what is there is continued.
        options: How.
        seed: Of weights, samples and sub-networks.
        batch: Samples a step, or None for the task's own.
        start: Gives a new network its weights to start from.
    """

    space: Space
    task: Task
    steps: int
    folder: Path
    options: SupernetOptions
    seed: int = 0
    batch: int | None = None
    start: Callable[[nn.Module], None] = lambda _: None

    @property
    def checkpoint(self) -> Path:
        """What the training writes; its averaged weights are judged."""
        return self.folder / "last.pt"

    def run(self, display: SearchDisplay) -> Path:
        """Train until all legs are done; returns the checkpoint.

        Raises:
            CheckpointError: The one in the folder is of another network.
        """
        done = read_checkpoint(self.checkpoint, "cpu")["step"] if self.checkpoint.exists() else 0
        advance = display.started("train the supernet", self.steps)
        bar = _Bar(advance, display.noted)
        bar.show(done)
        while done < self.steps:
            done = self._run_leg(done // self.options.leg, bar)
        return self.checkpoint

    def _run_leg(self, number: int, bar: _Bar) -> int:
        """Train one leg from its beginning; returns the steps done after it."""
        sizes = sizes_of(self.space)
        option = number % len(sizes)
        size = sizes[option]
        end = min((number + 1) * self.options.leg, self.steps)
        torch.manual_seed(self.seed)
        network = self.space.build(self.space.largest)
        if number == 0:
            self.start(network)
        options = self.options
        loss = SupernetLoss(
            self.space,
            SubNetworks(
                self.space,
                self.steps,
                self.seed,
                options.sandwich,
                options.drawn,
                shrinking=options.shrinking,
            ),
            self.task.loss(),
            size=None if size is None else option,
            step=number * options.leg,
            task=self.task if options.distil and options.sandwich else None,
        )
        schedule = self._schedule(size or self.space.input_size(self.space.largest))
        prefetcher: Prefetcher[Any] = Prefetcher(self.task.sampler((self.seed, number)))
        trainer = Trainer(
            network,
            batches=lambda s, shares: prefetcher.batches(schedule.batch, s, shares),
            loss=loss,
            schedule=schedule,
            budget=Budget(steps=end),
            folder=self.folder,
            sources=self.task.sources(),
        )
        trainer.resume()
        try:
            trainer.run(on_step=bar.stepped, checkpoint_minutes=math.inf)
        finally:
            prefetcher.close()
        bar.show(trainer.step)
        return trainer.step

    def _schedule(self, size: Size) -> SupernetSchedule:
        """The task's, at one size, with a cosine over all legs."""
        usual = {field.name: getattr(self.task.schedule, field.name) for field in fields(Schedule)}
        return SupernetSchedule(
            **{
                **usual,
                "phases": (Phase(1.0, size),),
                "batch": self.batch or self.task.schedule.batch,
                "warmup_steps": max(1, min(usual["warmup_steps"], self.steps // 5)),
                "first_source_only_after": 2.0,  # what a trainer calls progress is that of a leg
                "total": self.steps,
            }
        )


@dataclass(slots=True)
class _Bar:
    """Moves a bar to the step a trainer says it is at."""

    advance: Callable[[], None]
    noted: Callable[[str], None]
    shown: int = 0

    def show(self, step: int) -> None:
        for _ in range(step - self.shown):
            self.advance()
        self.shown = max(self.shown, step)

    def stepped(self, progress: Progress) -> None:
        self.show(progress.step)
        self.noted(f"loss {progress.loss:.4f}")
