"""Training runs of LRPose whose crops the CPU makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from litepose_edge.geometry import Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.errors import ExportError
from litepose_export.models import networks
from litepose_export.models.architectures.lrpose import LRPose
from litepose_export.training.core.initialization import start_from
from litepose_export.training.core.loop import Evaluate, Trainer
from litepose_export.training.core.losses import activation
from litepose_export.training.core.pose_loss import PoseLoss
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.core.target_options import TargetOptions
from litepose_export.training.core.validation import Validator
from litepose_export.training.data.augmentation import MEDIUM, WEAK, Augmentation
from litepose_export.training.data.crop_sampler import CropSampler
from litepose_export.training.data.prefetcher import Prefetcher
from litepose_export.training.runs.options import HeatmapRunOptions, PoseRunOptions, Stage
from litepose_export.training.runs.pose_data import load_masks, load_pose_data
from litepose_export.training.runs.runner import Display, prepare, run_to_end

# From scratch, and the second stage of such a run: small inputs first. The last phase takes the
# network's own input.
SCRATCH_SCHEDULES: dict[Stage, Schedule] = {
    "train": Schedule(),
    "finetune": Schedule(
        phases=(Phase(0.4, Size(96, 128)), Phase(1.0, Size(144, 192))),
        learning_rate=1.5e-3,
        muon_rate=0.03,
        first_source_only_after=0.6,
    ),
}
_PRETRAINED = Schedule(
    learning_rate=4.5e-4,
    muon_rate=0.009,
    warmup_steps=100,
    first_source_only_after=0.7,
    constant_rate_share=0.05,
)
# From weights of a trained network: all at the network's own input, in the end on the first file.
PRETRAINED_SCHEDULES: dict[Stage, Schedule] = {
    "train": _PRETRAINED,
    "finetune": replace(
        _PRETRAINED,
        learning_rate=1.5e-4,
        muon_rate=0.003,
        first_source_only_after=0.0,
        constant_rate_share=0.0,
    ),
}


def train_pose(name: str, options: PoseRunOptions, display: Display) -> Path:
    """Train LRPose; returns the checkpoint.

    Args:
        name: `"lrpose-n"`, `"lrpose-s"` or `"lrpose-m"`.
        options: The run; without teachers it learns from labels alone.
        display: Where progress goes.

    Raises:
        ExportError: The network cannot be trained so, a module to freeze is not there, or there
            is nothing to start from.
    """
    prepare(options)
    network = build_lrpose(name)
    check_modules(network, options)
    people, targets = load_pose_data(options.data, options.teachers, options.folder, display)
    evaluate = make_validator(name, options)
    if activation(options.loss) == "linear":
        nn.init.zeros_(network.predict.bias)  # type: ignore[arg-type]
    schedule, augmentation = choose_settings(networks.find(name).input_size, options)
    masks = None
    if augmentation.background_swap or augmentation.occluder:
        masks = load_masks(people, options.folder, display)
    sampler = CropSampler(people, targets, augmentation, options.seed, masks)
    prefetcher = Prefetcher(sampler)
    trainer = Trainer(
        network,
        batches=lambda s, shares: prefetcher.batches(schedule.batch, s, shares),
        loss=PoseLoss(
            TargetOptions(teacher_share=options.teacher_share),
            device=options.device,
            kind=options.loss,
        ),
        schedule=schedule,
        budget=options.budget,
        folder=options.folder,
        sources=len(np.unique(people.source)),
        device=options.device,
        metadata={"activation": activation(options.loss)},
        frozen=options.frozen,
    )

    def initialize(init: Path) -> None:
        start_from(network, init, trainer.run_example, options.reinit)

    return run_to_end(trainer, prefetcher, options, evaluate, display, initialize)


def build_lrpose(name: str) -> LRPose:
    """A new network of the catalogue, if it is an LRPose.

    Raises:
        ExportError: It is not, or there is none of that name.
    """
    found = networks.find(name)
    network = found.build(networks.COCO_JOINTS, found.input_size)
    if not isinstance(network, LRPose):
        raise ExportError(f"{name} cannot be trained here, only exported")
    return network


def make_validator(name: str, options: HeatmapRunOptions) -> Evaluate | None:
    """Scores a network on the run's dev file, if it has one."""
    if options.dev is None:
        return None
    input_size = networks.find(name).input_size
    return Validator(read_coco(options.dev), input_size, activation=activation(options.loss))


def check_modules(network: nn.Module, options: HeatmapRunOptions) -> None:
    """Refuse names of modules that the network does not have.

    Raises:
        ExportError: It does not have one, or the run starts from scratch.
    """
    named = options.frozen + options.reinit
    if named and options.init is None:
        raise ExportError("--freeze and --reinit are about the weights of --init: give --init")
    modules = [name for name, _ in network.named_modules() if name]
    for name in named:
        if name not in modules:
            raise ExportError(
                f"the network has no module '{name}'; it has {', '.join(modules[:8])}, ..."
            )


def choose_settings(input_size: Size, options: HeatmapRunOptions) -> tuple[Schedule, Augmentation]:
    """The schedule and the augmentation of a run on the CPU.

    Args:
        input_size: The network's own.
        options: Of the run; its stage and whether it starts from weights decide.
    """
    if options.init is not None:
        schedule = PRETRAINED_SCHEDULES[options.stage]
        schedule = replace(schedule, phases=(Phase(1.0, input_size),))
        augmentation = MEDIUM
    else:
        schedule = SCRATCH_SCHEDULES[options.stage]
        schedule = replace(schedule, phases=(*schedule.phases[:-1], Phase(1.0, input_size)))
        augmentation = Augmentation()
    return options.adjusted(schedule), WEAK if options.stage == "finetune" else augmentation
