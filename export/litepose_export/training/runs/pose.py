"""Training runs of LRPose: photographs or packed crops, teachers, settings of both runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from litepose_edge.geometry import Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.errors import ExportError
from litepose_export.models import networks
from litepose_export.models.architectures.lrpose import LRPose
from litepose_export.training.core.loop import Evaluate, Trainer
from litepose_export.training.core.losses import activation
from litepose_export.training.core.pose_loss import PoseLoss, TargetOptions
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.core.validation import Validator
from litepose_export.training.data.augmentation import GENTLE, WIDE, Augmentation
from litepose_export.training.data.crop_sampler import CropSampler, Prefetcher
from litepose_export.training.data.packing import load_packs, pack
from litepose_export.training.data.people import People, load_people
from litepose_export.training.data.person_masks import Cutouts, cut_out, load_cutouts, save_cutouts
from litepose_export.training.distillation import teacher
from litepose_export.training.runs.runner import Display, RunOptions, prepare, run_to_end

SHARD = ".npz"
POSE_SCHEDULE = Schedule()
# A second run that starts from the first one's weights: gentler augmentation, then mostly COCO.
# Such a run overfits (AP .538 on its own photographs, .354 on dev). One with strong augmentation to
# three quarters, LSPET to its end and more weight on the teacher, three quarters as long, did not
# come so far: .313 on dev, and .342 (.451 on its own) after twenty gentler minutes.
REFINE_SCHEDULE = Schedule(
    phases=(Phase(0.4, Size(96, 128)), Phase(1.0, Size(144, 192))),
    learning_rate=1.5e-3,
    muon_rate=0.03,
    first_source_only_after=0.6,
)
# From weights that know people: all of it at the size the network takes.
ONWARD_SCHEDULE = Schedule(
    learning_rate=4.5e-4,
    muon_rate=0.009,
    warmup_steps=100,
    first_source_only_after=0.7,
    hold=0.05,
)
# Once it knows, a little more of what it will be used on: gentle crops of the first file.
ONWARD_REFINE_SCHEDULE = replace(
    ONWARD_SCHEDULE,
    learning_rate=1.5e-4,
    muon_rate=0.003,
    first_source_only_after=0.0,
    hold=0.0,
)


def train_pose(size: str, options: RunOptions, display: Display) -> Path:
    """Train LRPose; returns the checkpoint.

    Args:
        size: `"n"`, `"s"` or `"m"`.
        options: The run; without teachers it learns from labels alone.
        display: Where progress goes.

    Raises:
        ExportError: A part to freeze is not there, or nothing to start from.
    """
    prepare(options)
    network = LRPose(size)
    check_parts(network, options)
    people, teaching = _people(options.data, options.teachers, options.folder, display)
    evaluate = scorer(size, options)
    if activation(options.loss) == "linear":
        nn.init.zeros_(network.predict.bias)  # type: ignore[arg-type]
    schedule, augmentation = _settings(size, options)
    cutouts = None
    if augmentation.elsewhere or augmentation.in_front:
        cutouts = outlines(people, options.folder / "cutouts.npz", display)
    sampler = CropSampler(people, teaching, augmentation, options.seed, cutouts)
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
        notes={"activation": activation(options.loss)},
        frozen=options.frozen,
    )
    return run_to_end(trainer, prefetcher, options, evaluate, display)


def scorer(size: str, options: RunOptions) -> Evaluate | None:
    """What scores a size on the run's dev file, if it has one."""
    if options.dev is None:
        return None
    input_size = networks.find(f"lrpose-{size}").input_size
    return Validator(read_coco(options.dev), input_size, activation=activation(options.loss))


def check_parts(network: nn.Module, options: RunOptions) -> None:
    """Refuse names of parts that the network does not have.

    Raises:
        ExportError: It does not, or the run starts from nothing.
    """
    named = options.frozen + options.fresh
    if named and options.init is None:
        raise ExportError("--freeze and --fresh are of what --init brings: give --init")
    parts = [name for name, _ in network.named_modules() if name]
    for name in named:
        if name not in parts:
            raise ExportError(
                f"the network has no part '{name}'; it has {', '.join(parts[:8])}, ..."
            )


def _settings(size: str, options: RunOptions) -> tuple[Schedule, Augmentation]:
    """What a run of a size does when, and how far its crops stray."""
    own = networks.find(f"lrpose-{size}").input_size
    if options.init is not None:
        schedule = ONWARD_REFINE_SCHEDULE if options.refine else ONWARD_SCHEDULE
        schedule = replace(schedule, phases=(Phase(1.0, own),))
        return options.paced(schedule), GENTLE if options.refine else WIDE
    schedule = REFINE_SCHEDULE if options.refine else POSE_SCHEDULE
    schedule = replace(schedule, phases=(*schedule.phases[:-1], Phase(1.0, own)))
    return options.paced(schedule), GENTLE if options.refine else Augmentation()


def outlines(people: People, cache: Path, display: Display) -> Cutouts:
    """Everybody's outline, from the cache if it was made of as many people."""
    if cache.exists():
        cutouts = load_cutouts(cache)
        if len(cutouts.numbers) == len(people):
            return cutouts
    cutouts = cut_out(people, display.started("outline", len(people)))
    save_cutouts(cutouts, cache)
    return cutouts


def pack_people(
    data: Sequence[Path], folder: Path, teachers: tuple[Path, ...], display: Display
) -> list[Path]:
    """Pack the people of COCO files, with the teachers' opinion of them; returns the shards."""
    folder.mkdir(parents=True, exist_ok=True)
    people, teaching = _people(data, teachers, folder, display)
    return pack(people, teaching, folder, tick=display.started("pack", len(people)))


def _people(
    data: Sequence[Path], teachers: tuple[Path, ...], folder: Path, display: Display
) -> tuple[People, teacher.Teaching | None]:
    """The people of annotation files or of packed crops.

    Raises:
        ExportError: Both kinds are given, or crops and a teacher.
    """
    shards = [path for path in data if path.suffix == SHARD]
    if not shards:
        people = load_people([read_coco(path) for path in data])
        if not teachers:
            return people, None
        return people, _teaching(people, teachers, folder / "teaching.npz", display)
    if len(shards) < len(data):
        raise ExportError("give annotation files or packed crops, not both")
    if teachers:
        raise ExportError("packed crops bring their teachers' opinion along: give no --teacher")
    packed = load_packs(shards)
    return packed.people, packed.teaching


def _teaching(
    people: People, teachers: tuple[Path, ...], cache: Path, display: Display
) -> teacher.Teaching:
    """The teachers' opinion, from the cache if it was made of as many people."""
    if cache.exists():
        teaching = teacher.load_teaching(cache)
        if len(teaching.maps) == len(people):
            return teaching
    first, second = (teacher.open_network(path) for path in teachers)
    teaching = teacher.teach(people, first, second, display.started("teach", len(people)))
    teacher.save_teaching(teaching, cache)
    return teaching
