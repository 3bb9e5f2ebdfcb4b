"""Training runs of networks of one person's crop, with crops that the CPU makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from litepose_edge.geometry import Size
from litepose_edge.manifest import TopDownSpec
from litepose_edge.skeletons import COCO_17, Skeleton
from litepose_export.errors import ExportError
from litepose_export.models import networks, user_networks
from litepose_export.models.architectures.hierarchical import LEVELS
from litepose_export.models.architectures.lrpose import LRPose
from litepose_export.models.trained import TrainedAs, with_thresholds
from litepose_export.training.core.initialization import finds_keypoints, start_from
from litepose_export.training.core.loop import Budget, Evaluate, Trainer
from litepose_export.training.core.losses import activation
from litepose_export.training.core.pose_loss import PoseLoss
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.core.validation import Validator
from litepose_export.training.data.augmentation import MEDIUM, WEAK, Augmentation
from litepose_export.training.data.crop_sampler import CropSampler
from litepose_export.training.data.people import read_dev
from litepose_export.training.data.prefetcher import Prefetcher
from litepose_export.training.runs.options import HeatmapRunOptions, PoseRunOptions, Stage
from litepose_export.training.runs.pose_data import load_masks, load_pose_data
from litepose_export.training.runs.pose_network import (
    PoseNetwork,
    find_top_down,
    make_pose_network,
    start_bias,
)
from litepose_export.training.runs.runner import (
    Display,
    check_mixes,
    prepare,
    run_to_end,
    sample_seed,
    training_of,
)

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


# A new layer of predictions on trained ones: AdamW's rate, which is its own, is that of a run from
# scratch.
NEW_LAYER_RATE, NEW_LAYER_MUON = 2e-3, 0.01
# So few people are fine-tuned on at this part of the finetune stage's rates, so that a trained
# network does not forget what it knows of others.
FEW_PEOPLE, FEW_RATE = 1000, 0.05
# Of other networks: the optimiser and the sizes they were published with.
OTHER_SCHEDULE = Schedule(
    batch=32,
    learning_rate=1e-3,
    muon_rate=None,
    warmup_steps=100,
    weight_decay=0.01,
    first_source_only_after=0.75,
)
OTHER_RATES: dict[Stage, float] = {"train": 0.3, "finetune": 0.1}  # from weights
WARMUP_SHARE = 0.2  # of a run of known length, at most


def train_pose(name: str, options: PoseRunOptions, display: Display) -> Path:
    """Train a network of one person's crop; returns the checkpoint.

    It finds the keypoints that the data label. Where the weights to start from find other ones,
    the layer that predicts them is new.

    Args:
        name: What the catalogue calls it, or `"my_package.nets:build"` of a network of one's own.
        options: The run; without teachers it learns from labels alone.
        display: Where progress goes.

    Raises:
        ExportError: The network cannot be trained so, a module to freeze is not there, or there
            is nothing to start from.
    """
    processes = prepare(options, together=True)
    if not user_networks.is_import_path(name):
        find_top_down(name)  # before photographs are read
    with processes.one_at_a_machine_ahead():
        people, targets = load_pose_data(
            options.data,
            options.teachers,
            options.folder,
            display,
            options.images,
            negatives=options.negatives,
            sources=max((len(shares) for _, shares in options.mixes), default=0),
        )
    new_keypoints = options.init is not None and not finds_keypoints(options.init, people.skeleton)
    loss = options.loss or default_loss(name, options.init, new_keypoints=new_keypoints)
    options = replace(options, loss=loss)
    made, trained = _make_network(name, people.skeleton, options)
    check_modules(made.module, options)
    validator = None
    if options.dev is not None:
        validator = _validator(options.dev, options.images, made)
    few = len(people) < FEW_PEOPLE
    schedule, augmentation = choose_settings(
        made.manifest.input.size,
        options,
        lrpose=made.is_lrpose,
        new_keypoints=new_keypoints,
        few=few,
    )
    schedule, budget = _fit_budget(schedule, options, len(people))
    check_mixes(options.mixes, people.sources)
    people_as_such = people.skeleton.keypoint_names == COCO_17.keypoint_names
    masks = None
    if people_as_such and (augmentation.background_swap or augmentation.occluder):
        with processes.one_at_a_machine_ahead():
            masks = load_masks(people, options.folder, display)
    seed, share = sample_seed(options, processes), processes.share(schedule.batch)
    prefetcher = Prefetcher(CropSampler(people, targets, augmentation, seed, masks))
    trainer = Trainer(
        made.module,
        batches=lambda s, shares: prefetcher.batches(share, s, shares),
        loss=PoseLoss(
            made.target_options(options.teacher_share),
            device=options.device,
            kind=loss,
            part_levels=LEVELS if people_as_such else (),
        ),
        schedule=schedule,
        budget=budget,
        folder=options.folder,
        sources=people.sources,
        device=options.device,
        metadata=trained.to_metadata(),
        frozen=options.frozen,
        frozen_statistics=few and made.is_lrpose and options.init is not None and not new_keypoints,
        processes=processes,
        synchronized=options.synchronized,
    )
    left = options.reinit
    if new_keypoints and made.predictions:
        left += (made.predictions,)

    def initialize(init: Path) -> None:
        start_from(made.module, init, trainer.run_example, left)

    options = replace(options, budget=budget)
    checkpoint = run_to_end(trainer, prefetcher, options, validator, display, initialize)
    thresholds = None
    if validator is not None and processes.first:
        thresholds = validator.thresholds(trainer.average)
    if thresholds is not None:
        trainer.describe(with_thresholds(trained, thresholds).to_metadata())
    return checkpoint


def _make_network(
    name: str, skeleton: Skeleton, options: PoseRunOptions
) -> tuple[PoseNetwork, TrainedAs]:
    """A new network with predictions that start at the mean of their targets, and what it is."""
    assert options.loss is not None
    trained = TrainedAs(
        skeleton=skeleton,
        activation=activation(options.loss),
        training=training_of(options),
        network=name,
        name=options.name,
    )
    made = make_pose_network(name, skeleton, options.input_size, trained)
    start_bias(made.module, made.predictions, made.heatmaps.activation)
    carried = None if made.is_catalogued else made.manifest
    return made, replace(trained, input_size=made.manifest.input.size, manifest=carried)


def _fit_budget(
    schedule: Schedule, options: PoseRunOptions, people: int
) -> tuple[Schedule, Budget]:
    """The budget that epochs of so many people are, and a warm-up that is a part of it."""
    budget = options.budget
    if options.epochs is not None:
        budget = Budget(steps=max(1, round(options.epochs * people / schedule.batch)))
    if budget.steps is not None:
        longest = max(1, round(WARMUP_SHARE * budget.steps))
        schedule = replace(schedule, warmup_steps=min(schedule.warmup_steps, longest))
    return schedule, budget


def default_loss(name: str, init: Path | None, *, new_keypoints: bool) -> str:
    """The loss of a run that names none: published, or what the released weights learned with."""
    if not (networks.is_lrpose(name) or name.startswith("fasterpose")):
        return "mse"
    known = networks.is_lrpose(name) and init is not None and not new_keypoints
    return "rce-residual-place" if known else "rce"


def _validator(dev: Path, images: Sequence[Path], made: PoseNetwork) -> Validator:
    """Scores a network as its exported file will be decoded.

    Raises:
        ExportError: The file labels other keypoints than the network finds.
    """
    assert isinstance(made.manifest.model, TopDownSpec)
    skeleton, heatmaps = made.manifest.model.skeleton, made.heatmaps
    return Validator(
        read_dev(dev, images, skeleton),
        made.manifest.input.size,
        activation=heatmaps.activation,
        refinement=heatmaps.refinement,
        alignment=heatmaps.alignment,
        blur_kernel=heatmaps.blur_kernel,
        skeleton=skeleton,
    )


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
    """Scores a network of COCO's 17 keypoints on the run's dev file, if it has one.

    Raises:
        ExportError: The file labels other keypoints.
    """
    if options.dev is None:
        return None
    input_size = networks.find(name).input_size
    return Validator(
        read_dev(options.dev, options.images, COCO_17),
        input_size,
        activation=activation(options.loss or "rce"),
    )


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


def choose_settings(
    input_size: Size,
    options: HeatmapRunOptions,
    *,
    lrpose: bool = True,
    new_keypoints: bool = False,
    few: bool = False,
) -> tuple[Schedule, Augmentation]:
    """The schedule and the augmentation of a run on the CPU.

    Args:
        input_size: The network's.
        options: Of the run; its stage and whether it starts from weights decide.
        lrpose: Whether the network is one of ours, or another.
        new_keypoints: Whether the layer of predictions is new while the rest is not.
        few: Whether the people are few (`FEW_PEOPLE`): a trained network would forget others.
    """
    stage: Stage = options.stage
    if not lrpose:
        schedule = replace(OTHER_SCHEDULE, phases=(Phase(1.0, input_size),))
        if options.init is not None:
            share = OTHER_RATES[stage]
            schedule = replace(schedule, learning_rate=schedule.learning_rate * share)
        augmentation = Augmentation() if options.init is None else MEDIUM
    elif options.init is not None:
        if few and not new_keypoints:
            stage = "finetune"
        schedule = PRETRAINED_SCHEDULES[stage]
        schedule = replace(schedule, phases=(Phase(1.0, input_size),))
        if new_keypoints:
            schedule = replace(schedule, learning_rate=NEW_LAYER_RATE, muon_rate=NEW_LAYER_MUON)
        elif few:
            assert schedule.muon_rate is not None
            # Who did not ask for the stage gives further files against forgetting.
            asked = PRETRAINED_SCHEDULES[options.stage]
            schedule = replace(
                schedule,
                learning_rate=schedule.learning_rate * FEW_RATE,
                muon_rate=schedule.muon_rate * FEW_RATE,
                first_source_only_after=asked.first_source_only_after,
            )
        augmentation = MEDIUM
    else:
        schedule = SCRATCH_SCHEDULES[stage]
        smaller = [
            phase
            for phase in schedule.phases[:-1]
            if phase.input_size.width <= input_size.width
            and phase.input_size.height <= input_size.height
        ]
        schedule = replace(schedule, phases=(*smaller, Phase(1.0, input_size)))
        augmentation = Augmentation()
    usual = WEAK if stage == "finetune" else augmentation
    return options.adjusted(schedule), options.choose_augmentation(usual)
