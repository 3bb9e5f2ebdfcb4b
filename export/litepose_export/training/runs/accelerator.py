"""Training runs of LRPose on an accelerator, where photographs, teacher and networks live."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.errors import ExportError
from litepose_export.interop.openvino_ir import IRNetwork
from litepose_export.models import networks
from litepose_export.models.architectures.lrpose import LRPose
from litepose_export.training.accelerator.multi_size import SiblingLoss, Siblings
from litepose_export.training.accelerator.sampler import ResidentOptions, ResidentSampler
from litepose_export.training.accelerator.teacher_maps import BATCH
from litepose_export.training.core.initialization import start_from
from litepose_export.training.core.loop import Evaluate, Trainer
from litepose_export.training.core.losses import activation
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.data.augmentation import GENTLE, LONG
from litepose_export.training.data.people import load_people
from litepose_export.training.runs.pose import SHARD, check_parts, outlines, scorer
from litepose_export.training.runs.runner import Display, RunOptions, prepare, run_to_end

# Large batches, and so many crops that everybody comes by hundreds of times; people whom only the
# teacher labels come along.
RESIDENT_SCHEDULE = Schedule(
    batch=512,
    learning_rate=2e-3,
    muon_rate=0.02,
    warmup_steps=200,
    weight_decay=0.05,
    mixes=((0.6, (0.5, 0.4, 0.1)), (1.0, (0.75, 0.15, 0.1))),
)
RESIDENT_REFINE_SCHEDULE = replace(
    RESIDENT_SCHEDULE, learning_rate=2.5e-4, muon_rate=0.004, mixes=((1.0, (1.0, 0.0, 0.0)),)
)
UNLABELLED_PX = 24.0  # of the shorter side of a box
WORKERS = 8  # processes that plan crops


def train_resident(sizes: tuple[str, ...], options: RunOptions, display: Display) -> Path:
    """Train LRPose of one or more sizes on the same views; returns the checkpoint of all.

    Beside it lies a checkpoint of each alone, `lrpose-s.pt` and the like. The first size is the
    one views are drawn for and, with a dev file, the one that is scored. Where `options.init` is a
    folder, each size starts from its own checkpoint there, if it has one.

    Args:
        sizes: Of `"n"`, `"s"` and `"m"`.
        options: The run; without a teacher it learns from labels alone.
        display: Where progress goes.

    Raises:
        ExportError: The data are shards, a part to freeze or leave fresh is not there, or the
            folder to start from has nothing for these networks.
    """
    prepare(options)
    if any(path.suffix == SHARD for path in options.data):
        raise ExportError("a resident run cuts its crops itself: give annotation files, no shards")
    siblings = Siblings({f"lrpose-{size}": LRPose(size) for size in sizes})
    check_parts(siblings.members, options)
    init = options.init
    if init is not None and init.is_dir():
        found = [name for name in siblings.members if (init / f"{name}.pt").exists()]
        if not found:
            raise ExportError(f"{init} holds no checkpoint of {' or '.join(siblings.members)}")
    torch.backends.cudnn.benchmark = True  # every batch has the same shape
    teacher = IRNetwork(options.teachers[0]) if options.teachers else None
    unlabelled = None if teacher is None else UNLABELLED_PX
    people = load_people([read_coco(path) for path in options.data], unlabelled_side_px=unlabelled)
    inputs = tuple(networks.find(name).input_size for name in siblings.members)
    schedule = RESIDENT_REFINE_SCHEDULE if options.refine else RESIDENT_SCHEDULE
    schedule = replace(options.paced(schedule), phases=(Phase(1.0, inputs[0]),))
    resident = ResidentOptions(
        sizes=inputs,
        augmentation=GENTLE if options.refine else LONG,
        teacher_share=options.teacher_share,
        seed=options.seed,
        device=options.device,
        workers=WORKERS if options.device == "cuda" else 0,
    )
    cutouts = None
    if resident.augmentation.elsewhere or resident.augmentation.in_front:
        cutouts = outlines(people, options.folder / "cutouts.npz", display)
    tick: Callable[[], None] = _quiet
    if teacher is not None:
        tick = display.started("teach", math.ceil(len(people) / BATCH))
    sampler = ResidentSampler(people, teacher, resident, cutouts, tick)
    notes = {"activation": activation(options.loss)}
    trainer = Trainer(
        siblings,
        batches=lambda _, shares: sampler.batches(schedule.batch, shares),
        loss=SiblingLoss(options.device, options.loss),
        schedule=schedule,
        budget=options.budget,
        folder=options.folder,
        sources=len(np.unique(people.source)),
        device=options.device,
        notes=notes,
        frozen=tuple(f"members.{part}" for part in options.frozen),
    )
    evaluate = _first(scorer(sizes[0], options))
    checkpoint = run_to_end(
        trainer, sampler, options, evaluate, display, start=lambda: _start(trainer, options)
    )
    _part(trainer, notes)
    return checkpoint


def _start(trainer: Trainer, options: RunOptions) -> None:
    """Give every sibling what fits of the same weights, or its own from a folder."""
    assert options.init is not None
    assert isinstance(trainer.network, Siblings)
    batch = trainer.example()
    for i, (name, network) in enumerate(trainer.network.members.items()):
        path = options.init / f"{name}.pt" if options.init.is_dir() else options.init
        if path.parent == options.init and not path.exists():
            continue  # a new sibling
        fresh = [p.removeprefix(f"{name}.") for p in options.fresh if p.startswith(f"{name}.")]
        start_from(network, path, partial(_call, batch.images[i]), fresh)


def _call(images: Tensor, network: nn.Module) -> None:
    network(images)


def _quiet() -> None:
    """Nothing to show."""


def _part(trainer: Trainer, notes: Mapping[str, str]) -> None:
    """Write a checkpoint of each sibling alone."""
    assert isinstance(trainer.average, Siblings)
    for name, network in trainer.average.members.items():
        state = {"average": network.state_dict(), "step": trainer.step, "notes": dict(notes)}
        torch.save(state, trainer.checkpoint_path.with_name(f"{name}.pt"))


def _first(evaluate: Evaluate | None) -> Evaluate | None:
    """Scores the first sibling."""
    if evaluate is None:
        return None

    def score(network: nn.Module) -> dict[str, float]:
        assert isinstance(network, Siblings)
        return evaluate(next(iter(network.members.values())))

    return score
