"""What all runs share: preparation, the loop with its scores, the record of the run."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import torch
from torch import nn

from litepose_edge.atomic_files import make_folder, write_file
from litepose_edge.manifest import Training
from litepose_export.errors import ExportError
from litepose_export.models.checkpoints import read_checkpoint
from litepose_export.optional import requires
from litepose_export.training.core.initialization import start_from
from litepose_export.training.core.loop import LAST_CHECKPOINT, Evaluate, Progress, Trainer
from litepose_export.training.core.schedule import Mix
from litepose_export.training.data.people import data_hash
from litepose_export.training.distributed.processes import ALONE, Processes, join_processes
from litepose_export.training.runs.options import RunOptions, ScheduledRunOptions

if TYPE_CHECKING:
    from pathlib import Path

    from litepose_export.training.runs.event_files import EventFiles


DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Display:
    """Where a run's progress goes.

    Attributes:
        started: `started(what, total)` announces a step before training; what it returns is
            called once for each of `total` parts.
        stepped: Called every few optimiser steps.
        scored: Called with the metrics of every checkpoint.
    """

    started: Callable[[str, int], Callable[[], None]]
    stepped: Callable[[Progress], None]
    scored: Callable[[dict[str, float]], None]


class BatchSource(Protocol):
    """Where batches come from."""

    def close(self) -> None:
        """Stop making them."""


def prepare(options: RunOptions, *, together: bool = False) -> Processes:
    """Seed and threads of a run, its folder, and the processes that train together.

    Args:
        options: The run.
        together: Whether several processes can train so.

    Raises:
        ExportError: There are several, and they cannot; or the device is not there.
    """
    device = options.device if isinstance(options, ScheduledRunOptions) else "cpu"
    _check_device(device)
    processes = join_processes(device)
    if processes.count > 1 and not together:
        raise ExportError(
            "several processes train crops made on CPUs (no --data-on-device, no --qat): "
            "start this run without torchrun"
        )
    cv2.setNumThreads(1)  # the sampler has a thread of its own; more would fight the optimiser
    torch.manual_seed(options.seed)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    make_folder(options.folder)
    return processes


def _check_device(device: str) -> None:
    if device not in DEVICES:
        raise ExportError(
            f"expected the device 'cpu' or 'cuda', got '{device}'; CUDA_VISIBLE_DEVICES chooses "
            "among several GPUs"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise ExportError(
            f"PyTorch {torch.__version__} finds no CUDA GPU here: train on the CPU (--device cpu), "
            "or install the GPU's driver and a PyTorch for CUDA"
        )


def sample_seed(options: RunOptions, processes: Processes = ALONE) -> int:
    """The seed of this process's samples.

    A run that goes on has another one than at its beginning: it would draw the same samples again.
    """
    path, step = options.folder / LAST_CHECKPOINT, 0
    if processes.first and path.exists():
        content = read_checkpoint(path)
        step = content.get("step", 0) if isinstance(content, Mapping) else 0
    step, seed = int(processes.agreed(step)), options.seed
    if step:
        seed = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
    return processes.seed(seed)


def run_to_end(
    trainer: Trainer,
    source: BatchSource,
    options: ScheduledRunOptions,
    evaluate: Evaluate | None,
    display: Display,
    initialize: Callable[[Path], object] | None = None,
) -> Path:
    """Train until the budget is spent, scored and recorded; returns the checkpoint.

    Args:
        trainer: What trains; a checkpoint in its folder is continued.
        source: Where its batches come from, closed at the end.
        options: The run.
        evaluate: Scores the averaged network at every checkpoint, or None.
        display: Where progress goes.
        initialize: Gives the network what `options.init` holds; all that fits unless given.
    """
    if not trainer.resume() and options.init is not None:
        if initialize is not None:
            initialize(options.init)
        else:
            start_from(trainer.network, options.init, trainer.run_example)
        trainer.average.load_state_dict(trainer.network.state_dict())

    commit = commit_id()  # before the run: afterwards the tree may have moved on
    events = _open_events(options) if trainer.processes.first else None

    def step(progress: Progress) -> None:
        if not trainer.processes.first:
            return
        display.stepped(progress)
        if events is not None:
            events.stepped(progress, trainer.learning_rate)

    def score(network: nn.Module) -> dict[str, float]:
        assert evaluate is not None
        metrics = evaluate(network)
        display.scored(metrics)
        if events is not None:
            events.scored(metrics, trainer.step)
        return metrics

    try:
        trainer.run(
            on_step=step,
            evaluate=score if evaluate else None,
            checkpoint_minutes=options.checkpoint_minutes,
        )
    finally:
        source.close()
        if events is not None:
            events.close()
    if trainer.processes.first:
        record(commit, options, trainer)
    return trainer.checkpoint_path


def _open_events(options: ScheduledRunOptions) -> EventFiles | None:
    """Event files, if the run wants them.

    Raises:
        BackendUnavailableError: TensorBoard is not installed.
    """
    if not options.tensorboard:
        return None
    with requires("tensorboard"):
        from litepose_export.training.runs.event_files import EventFiles
    return EventFiles(options.folder / "tensorboard")


def check_mixes(mixes: Sequence[Mix], files: int, *, unlabelled: bool = False) -> None:
    """Refuse mixes of other numbers of sources than the data have.

    Args:
        mixes: What the run asks for.
        files: How many files show people.
        unlabelled: Whether people without keypoints are a source behind them.

    Raises:
        ExportError: They are.
    """
    counts = {len(shares) for _, shares in mixes} - {files + unlabelled}
    if counts:
        also = " and one for people without keypoints" if unlabelled else ""
        raise ExportError(
            f"each --mix needs {files + unlabelled} shares, one for each file of the data that "
            f"shows people{also}, got {min(counts)}: leave out files that show none"
        )


def training_of(options: ScheduledRunOptions) -> Training:
    """What an exported file shall say of where its weights come from."""
    data = options.data_names or tuple(path.name for path in options.data)
    if options.init is not None:
        data += (f"weights to start from: {options.init.name}",)
    return Training(
        data=data,
        teachers=tuple(_teacher_name(path) for path in options.all_teachers),
        licence=options.licence,
    )


def _teacher_name(path: Path) -> str:
    # Files of collections are all called model, in folders with the networks' names.
    return path.parent.name if path.stem == "model" else path.stem


def record(commit: str, options: ScheduledRunOptions, trainer: Trainer) -> None:
    """Write `run.json`: what it takes to repeat the run, and how it went."""
    with (options.folder / "log.csv").open(newline="") as file:
        checkpoints = list(csv.DictReader(file))
    content = {
        "commit": commit,
        "data_sha256": data_hash(options.data),
        **options.to_dict(),
        "schedule": asdict(trainer.schedule),
        "budget": asdict(options.budget),
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 1),
        "checkpoints": checkpoints,
    }
    write_file(options.folder / "run.json", (json.dumps(content, indent=2) + "\n").encode())


def commit_id() -> str:
    """The commit of the tree that runs, or `"unknown"`."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip()
