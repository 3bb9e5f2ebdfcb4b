"""Training runs of LRPose with photographs, teacher and networks on the accelerator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from litepose_edge.measure.accuracy.coco import read_coco
from litepose_edge.skeletons import COCO_17
from litepose_export.errors import ExportError
from litepose_export.interop.openvino_ir import IRNetwork
from litepose_export.models import networks
from litepose_export.models.trained import TrainedAs
from litepose_export.training.accelerator.multi_size import MultiSizeLoss, MultiSizeNetworks
from litepose_export.training.accelerator.sampler import AcceleratorSampler, SamplerOptions
from litepose_export.training.accelerator.teacher_maps import BATCH
from litepose_export.training.core.checkpoint_file import write_checkpoint
from litepose_export.training.core.initialization import start_from
from litepose_export.training.core.loop import Evaluate, Trainer
from litepose_export.training.core.losses import activation
from litepose_export.training.core.schedule import Mix, Phase, Schedule
from litepose_export.training.data.augmentation import STRONG, WEAK
from litepose_export.training.data.people import common_skeleton, load_people
from litepose_export.training.distillation.teacher import teacher_alignment
from litepose_export.training.runs.options import AcceleratorRunOptions, Stage
from litepose_export.training.runs.pose import build_lrpose, check_modules, make_validator
from litepose_export.training.runs.pose_data import SHARD, UNLABELLED_SIDE_PX, load_masks
from litepose_export.training.runs.runner import (
    Display,
    check_mixes,
    prepare,
    run_to_end,
    sample_seed,
    training_of,
)

# Large batches, and so many crops that every person comes hundreds of times.
_TRAIN = Schedule(
    batch=512,
    learning_rate=2e-3,
    muon_rate=0.02,
    warmup_steps=200,
    weight_decay=0.05,
)
ACCELERATOR_SCHEDULES: dict[Stage, Schedule] = {
    "train": _TRAIN,
    "finetune": replace(_TRAIN, learning_rate=2.5e-4, muon_rate=0.004),
}
UNLABELLED_SHARE = 0.1  # of a batch
# Up to a part of a run, so much of the labelled people is of the files behind the first, together.
OTHER_FILES: dict[Stage, tuple[tuple[float, float], ...]] = {
    "train": ((0.6, 4 / 9), (1.0, 1 / 6)),
    "finetune": ((1.0, 0.0),),
}
WORKERS = 8  # processes that place crops


def train_on_accelerator(
    names: tuple[str, ...], options: AcceleratorRunOptions, display: Display
) -> Path:
    """Train one or more sizes of LRPose on the same crops; returns the checkpoint of all.

    Beside it lies a checkpoint of each alone, `lrpose-s.pt` and the like. Crops are placed for the
    first network, which is also, with a dev file, the one that is scored. Where `options.init` is
    a folder, each network starts from its own checkpoint there, if it has one.

    Args:
        names: Of `"lrpose-n"`, `"lrpose-s"` and `"lrpose-m"`.
        options: The run; without a teacher it learns from labels alone.
        display: Where progress goes.

    Raises:
        ExportError: A network cannot be trained so, the data are shards or label other keypoints,
            a module to freeze or to reinitialise is not there, or the folder to start from has
            nothing for the networks.
    """
    prepare(options)
    loss = options.loss or "rce"
    if any(path.suffix == SHARD for path in options.data):
        raise ExportError(
            "--data-on-device cuts the crops itself: give annotation files, no shards"
        )
    together = MultiSizeNetworks({name: build_lrpose(name) for name in names})
    check_modules(together.members, options)
    _check_folder(options.init, names)
    evaluate = _score_first(make_validator(names[0], options))
    torch.backends.cudnn.benchmark = True  # every batch has the same shape
    sampler, files, unlabelled = _make_sampler(names, options, display)
    schedule = replace(
        ACCELERATOR_SCHEDULES[options.stage],
        phases=(Phase(1.0, networks.find(names[0]).input_size),),
        mixes=default_mixes(options.stage, files, unlabelled=unlabelled),
    )
    schedule = options.adjusted(schedule)
    trained = TrainedAs(
        activation=activation(loss), training=training_of(options), name=options.name
    )
    trainer = Trainer(
        together,
        batches=lambda _, shares: sampler.batches(schedule.batch, shares),
        loss=MultiSizeLoss(options.device, loss),
        schedule=schedule,
        budget=options.budget,
        folder=options.folder,
        sources=files + unlabelled,
        device=options.device,
        metadata=trained.to_metadata(),
        frozen=tuple(f"members.{module}" for module in options.frozen),
    )
    initialize = partial(_initialize, trainer, options.reinit)
    checkpoint = run_to_end(trainer, sampler, options, evaluate, display, initialize)
    _save_each(trainer, trained)
    return checkpoint


def default_mixes(stage: Stage, files: int, *, unlabelled: bool) -> tuple[Mix, ...]:
    """How much of a batch comes from each source of people, unless a run says so.

    Args:
        stage: Of the run.
        files: Annotation files with labelled people.
        unlabelled: Whether people whom only the teacher labels are a source behind the files.
    """
    if not files:
        return ((1.0, (1.0,)),)
    mixes: list[Mix] = []
    share = UNLABELLED_SHARE if unlabelled and stage == "train" else 0.0
    others, behind = files - 1, [share] * unlabelled
    for until, part in OTHER_FILES[stage]:
        rest = (1 - share) * part if others else 0.0
        each = [rest / max(others, 1)] * others
        mixes.append((until, (1 - share - rest, *each, *behind)))
    return tuple(mixes)


def _make_sampler(
    names: tuple[str, ...], options: AcceleratorRunOptions, display: Display
) -> tuple[AcceleratorSampler, int, bool]:
    """What makes the batches, of how many files with people, and whether of unlabelled ones too."""
    teacher = IRNetwork(options.teacher) if options.teacher is not None else None
    datasets = [read_coco(path, options.images) for path in options.data]
    skeleton = common_skeleton(datasets)
    if skeleton.keypoint_names != COCO_17.keypoint_names:
        raise ExportError(
            f"--data-on-device trains on COCO's 17 keypoints, the data label {len(skeleton)} "
            f"({skeleton.name}): train without it"
        )
    people = load_people(
        datasets,
        unlabelled_side_px=None if teacher is None else UNLABELLED_SIDE_PX,
        negatives=[read_coco(path, options.images) for path in options.negatives],
    )
    sources = np.unique(people.source)
    files = int((sources < len(datasets)).sum())
    unlabelled = len(sources) > files
    check_mixes(options.mixes, files, unlabelled=unlabelled)
    sampling = SamplerOptions(
        sizes=tuple(networks.find(name).input_size for name in names),
        augmentation=options.choose_augmentation(WEAK if options.stage == "finetune" else STRONG),
        teacher_alignment=teacher_alignment(options.teacher) if options.teacher else "corner",
        teacher_share=options.teacher_share,
        seed=sample_seed(options),
        device=options.device,
        workers=WORKERS if options.device == "cuda" else 0,
    )
    masks = None
    if sampling.augmentation.background_swap or sampling.augmentation.occluder:
        masks = load_masks(people, options.folder, display)
    progress: Callable[[], None] = _silent
    if teacher is not None:
        progress = display.started("run the teacher", math.ceil(len(people) / BATCH))
    sampler = AcceleratorSampler(people, teacher, sampling, masks, progress)
    return sampler, files, unlabelled


def _check_folder(init: Path | None, names: tuple[str, ...]) -> None:
    if init is None or not init.is_dir():
        return
    if not any((init / f"{name}.pt").exists() for name in names):
        raise ExportError(f"{init} holds no checkpoint of {' or '.join(names)}")


def _initialize(trainer: Trainer, reinit: tuple[str, ...], init: Path) -> None:
    """Give every network what fits of the same weights, or its own from a folder."""
    assert isinstance(trainer.network, MultiSizeNetworks)
    batch = trainer.example_batch()
    for i, (name, network) in enumerate(trainer.network.members.items()):
        path = init / f"{name}.pt" if init.is_dir() else init
        if path.parent == init and not path.exists():
            continue  # a new network among trained ones
        own = [m.removeprefix(f"{name}.") for m in reinit if m.startswith(f"{name}.")]
        start_from(network, path, partial(_run, batch.images[i]), own)


def _run(images: Tensor, network: nn.Module) -> None:
    network(images)


def _silent() -> None:
    """Nothing to show."""


def _save_each(trainer: Trainer, trained: TrainedAs) -> None:
    """Write a checkpoint of each network alone."""
    assert isinstance(trainer.average, MultiSizeNetworks)
    for name, network in trainer.average.members.items():
        metadata = replace(trained, network=name).to_metadata()
        state = {"average": network.state_dict(), "step": trainer.step, "metadata": metadata}
        write_checkpoint(state, trainer.checkpoint_path.with_name(f"{name}.pt"))


def _score_first(evaluate: Evaluate | None) -> Evaluate | None:
    """Scores the first network."""
    if evaluate is None:
        return None

    def score(network: nn.Module) -> dict[str, float]:
        assert isinstance(network, MultiSizeNetworks)
        return evaluate(next(iter(network.members.values())))

    return score
