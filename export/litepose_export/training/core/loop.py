"""The training loop: Muon and AdamW under a schedule, averaged weights, checkpoints, resume."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from litepose_edge.atomic_files import make_folder
from litepose_edge.options import whole_number
from litepose_export.errors import CheckpointError
from litepose_export.models.checkpoints import read_checkpoint
from litepose_export.training.core.checkpoint_file import append_row, write_checkpoint
from litepose_export.training.core.optimizers import make_optimizers
from litepose_export.training.core.schedule import Schedule
from litepose_export.training.core.target_options import CHECKPOINT_MINUTES
from litepose_export.training.distributed.processes import ALONE, Processes
from litepose_export.training.distributed.synchronized_norm import synchronize_norms

# A detector has no signed errors: those columns stay empty.
LOGGED = (
    *("step", "minutes", "loss", "ap", "ap50", "ap75", "ar"),
    *("right_px", "right_se", "down_px", "down_se", "worst_px"),
)
SHOWN_EVERY_S = 3.0  # large networks take longer than a second a step
LAST_CHECKPOINT = "last.pt"
LONGEST_STEP_S = 60.0  # whatever is longer was a pause: the machine slept
Evaluate = Callable[[nn.Module], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train: a number of steps (repeatable) or minutes of training time.

    Attributes:
        steps: Optimiser steps in all, or None.
        minutes: Time spent training in all, earlier runs counted in, or None.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None:
            whole_number("steps", self.steps, 1)
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ValueError(f"minutes must be finite and above 0, got {self.minutes}")

    def progress(self, step: int, seconds: float) -> float:
        """Part of the budget used, 1 when it is spent."""
        by_step = step / self.steps if self.steps else 0.0
        by_time = seconds / 60 / self.minutes if self.minutes else 0.0
        return max(by_step, by_time)


@dataclass(slots=True)
class Progress:
    """What a progress display needs after a step."""

    step: int
    part: float
    loss: float
    crops_per_second: float
    input_height: int


class Trainer:
    """A network, its optimisers, the average of its weights, and where they are kept.

    Args:
        network: Trained in place.
        batches: `(size, shares) -> batches` without end.
        loss: Loss of the network on a batch.
        schedule: What happens when.
        budget: How long.
        folder: Checkpoint (`last.pt`) and log (`log.csv`) live here.
        sources: How many sources of data `shares` are of.
        device: `"cpu"` or `"cuda"`.
        metadata: What an exporter must know of the network; goes into the checkpoint.
        helper: Trained along with the network and kept in the checkpoint, or None.
        frozen: Names of modules that stay as they are, statistics of normalisations too. Where
            they come first, nothing is computed backwards through them.
        frozen_statistics: Whether all normalisations keep the means and variances they have: those
            of a few photographs are not those of others.
        processes: Those that train this network together. `batches` gives this one's share; the
            first writes the checkpoints and scores them.
        synchronized: Whether normalisations look at the batches of all processes, or each at its
            own.
        before_step: Told before each step, in every process, which part of the run is done;
            or None.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        batches: Callable[[Any, tuple[float, ...]], Iterator[Any]],
        loss: Callable[[nn.Module, Any], Tensor],
        schedule: Schedule,
        budget: Budget,
        folder: Path,
        sources: int = 1,
        device: str = "cpu",
        metadata: Mapping[str, str] | None = None,
        helper: nn.Module | None = None,
        frozen: Sequence[str] = (),
        frozen_statistics: bool = False,
        processes: Processes = ALONE,
        synchronized: bool = True,
        before_step: Callable[[float], None] | None = None,
    ) -> None:
        self.processes, self._synchronized = processes, synchronized
        self._before_step = before_step
        self._frozen_statistics = frozen_statistics
        self._frozen = [network.get_submodule(name).requires_grad_(False) for name in frozen]
        self.network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._batches, self._loss = batches, loss
        self.schedule, self._budget = schedule, budget
        self._folder, self._sources, self._device = folder, sources, device
        self._optimizers = make_optimizers(self.network, schedule)
        self._helper = helper.to(device) if helper is not None else nn.Module()
        if helper is not None:
            self._optimizers += make_optimizers(self._helper, replace(schedule, muon_rate=None))
        self._metadata = dict(metadata or {})
        self.step = 0
        self.seconds = 0.0
        make_folder(folder)

    @property
    def checkpoint_path(self) -> Path:
        """The checkpoint that `resume` reads."""
        return self._folder / LAST_CHECKPOINT

    @property
    def learning_rate(self) -> float:
        """AdamW's rate at the last step."""
        rate: float = self._optimizers[0].param_groups[0]["lr"]
        return rate

    def resume(self) -> bool:
        """Continue from the last checkpoint, if there is one.

        Raises:
            CheckpointError: The checkpoint belongs to another network or is damaged.
        """
        state = None
        if self.processes.first and self.checkpoint_path.exists():
            state = read_checkpoint(self.checkpoint_path, self._device)
        state = self.processes.handed_out(state)
        if state is None:
            return False
        try:
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self._helper.load_state_dict(state.get("helper", {}))
            for optimizer, stored in zip(self._optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(stored)
            self.step, self.seconds = state["step"], state["seconds"]
        except (RuntimeError, KeyError, TypeError, ValueError) as exc:
            raise CheckpointError(f"cannot resume from {self.checkpoint_path}: {exc}") from exc
        return True

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Write the checkpoint with other metadata, such as what the end of a run has shown."""
        self._metadata = dict(metadata)
        self.save()

    def run_example(self, network: nn.Module) -> None:
        """Run a network like this one on a batch of the last phase, for its statistics."""
        self._loss(network, self.example_batch())

    def example_batch(self) -> Any:
        """A batch of the last phase."""
        shares = self.schedule.shares(1.0, self._sources)
        return next(self._batches(self.schedule.phases[-1].input_size, shares))

    def save(self) -> None:
        """Write the checkpoint: a reader sees the old one or the new one."""
        if not self.processes.first:
            return
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "helper": self._helper.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "step": self.step,
            "seconds": self.seconds,
            "metadata": self._metadata,
        }
        write_checkpoint(state, self.checkpoint_path)

    def run(
        self,
        *,
        on_step: Callable[[Progress], None],
        evaluate: Evaluate | None = None,
        checkpoint_minutes: float = CHECKPOINT_MINUTES,
    ) -> None:
        """Train until the budget is spent, with a checkpoint every few minutes."""
        step_loss = self._over_processes()
        self.network.train()
        for module in self._frozen:
            module.eval()
        if self._frozen_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        saved = time.monotonic()
        losses: list[Tensor] = []
        while (part := self._part()) < 1:
            phase = self.schedule.phase(part)
            shares = self.schedule.shares(part, self._sources)
            for batch in self._batches(phase.input_size, shares):
                started = time.monotonic()
                losses.append(self._advance(step_loss, batch, part))
                took = min(time.monotonic() - started, LONGEST_STEP_S)
                self.seconds = self.processes.agreed(self.seconds + took + self._waited(started))
                part = self._part()
                if self._shows():
                    loss = float(torch.stack(losses[-20:]).mean())
                    on_step(self._progress(part, loss, phase.input_size.height))
                same = phase == self.schedule.phase(part)
                if part >= 1 or not same or shares != self.schedule.shares(part, self._sources):
                    break
                if time.monotonic() - saved > checkpoint_minutes * 60:
                    self._checkpoint(losses, evaluate)
                    losses, saved = [], time.monotonic()
        self._checkpoint(losses, evaluate)

    def _over_processes(self) -> Callable[[Any], Tensor]:
        """The loss of a batch, whose gradients are the mean of all processes'."""
        alone = _LossOfBatch(self.network, self._helper, self._loss)
        if self.processes.count == 1:
            return alone
        if self._synchronized:
            synchronize_norms(self.network, self._device)
        # Of a static graph it finds out by itself which parameters have no gradient.
        return DistributedDataParallel(alone, broadcast_buffers=False, static_graph=True)

    _shown: float | None = None

    def _shows(self) -> bool:
        """Whether progress is due: at the first step, and every 20 or every few seconds."""
        now = time.monotonic()
        due = self._shown is None or now - self._shown >= SHOWN_EVERY_S or self.step % 20 == 0
        if due:
            self._shown = now
        return due

    _last_end: float | None = None

    def _waited(self, started: float) -> float:
        """Seconds between the last step's end and this one's start: waiting for data counts."""
        waited = 0.0 if self._last_end is None else min(started - self._last_end, 5.0)
        self._last_end = time.monotonic()
        return max(waited, 0.0)

    def _part(self) -> float:
        return self._budget.progress(self.step, self.seconds)

    def _progress(self, part: float, loss: float, height: int) -> Progress:
        rate = self.step * self.schedule.batch / max(self.seconds, 1e-9)
        return Progress(self.step, part, loss, rate, height)

    def _advance(self, loss_of: Callable[[Any], Tensor], batch: Any, part: float) -> Tensor:
        if self._before_step is not None:
            self._before_step(part)
        factor = self.schedule.factor(self.step, part)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        loss = loss_of(batch)
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimizer in self._optimizers:
            optimizer.step()
        self.step += 1
        self._update_average(self.schedule.decay(self.step))
        return loss.detach()

    @torch.no_grad()
    def _update_average(self, decay: float) -> None:
        ours = [*self.average.parameters(), *self.average.buffers()]
        theirs = [*self.network.parameters(), *self.network.buffers()]
        floats = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)

    def _checkpoint(self, losses: list[Tensor], evaluate: Evaluate | None) -> None:
        self._last_end = None
        if not self.processes.first:
            return
        self.save()
        row: dict[str, float] = {"step": self.step, "minutes": round(self.seconds / 60, 2)}
        if losses:
            row["loss"] = float(torch.stack(losses).mean())
        if evaluate is not None:
            row |= evaluate(self.average)
        append_row(self._folder / "log.csv", LOGGED, row)


class _LossOfBatch(nn.Module):
    """The loss as a module, whose parameters are all that is trained."""

    def __init__(
        self, network: nn.Module, helper: nn.Module, loss: Callable[[nn.Module, Any], Tensor]
    ) -> None:
        super().__init__()
        self.network, self.helper, self._loss = network, helper, loss

    def forward(self, batch: Any) -> Tensor:
        """Scalar loss of a batch."""
        return self._loss(self.network, batch)
