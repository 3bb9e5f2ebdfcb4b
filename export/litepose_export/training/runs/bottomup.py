"""Training runs of LitePose and its variants, the bottom-up networks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from litepose_edge.geometry import Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.errors import CheckpointError, ExportError
from litepose_export.models import manifests, networks
from litepose_export.models.architectures.litepose import FusionHead
from litepose_export.models.trained import TrainedAs
from litepose_export.training.bottomup.loss import DEPTHWISE_EVERY, MIN_PEAK, BottomUpLoss
from litepose_export.training.bottomup.validation import BottomUpValidator
from litepose_export.training.bottomup.views import ViewOptions, ViewSampler, load_photographs
from litepose_export.training.core.initialization import start_from
from litepose_export.training.core.loop import Evaluate, Trainer
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.data.people import common_skeleton, read_dev
from litepose_export.training.data.prefetcher import Prefetcher
from litepose_export.training.distillation.hints import Hints
from litepose_export.training.runs.options import BottomUpRunOptions
from litepose_export.training.runs.runner import (
    Display,
    prepare,
    run_to_end,
    sample_seed,
    training_of,
)

# Small views first: a CPU trains on far more of them. People in the smallest are half as large as
# at run time, so that whole people fit.
TRAIN_SCHEDULE = Schedule(
    phases=(
        Phase(0.5, Size(64, 64)),
        Phase(0.84, Size(96, 96)),
        Phase(0.955, Size(128, 128)),
        Phase(1.0, Size(160, 160)),
    ),
    batch=16,
    learning_rate=4e-3,
    warmup_steps=100,
    ema_decay=0.998,
)
# Nearer to the size the network runs at.
FINETUNE_SCHEDULE = Schedule(
    phases=(Phase(0.5, Size(192, 192)), Phase(1.0, Size(256, 256))),
    batch=8,
    learning_rate=2e-3,
    muon_rate=0.01,
    warmup_steps=100,
    ema_decay=0.998,
)
SCORED_PHOTOGRAPHS = 100


def train_bottom_up(name: str, options: BottomUpRunOptions, display: Display) -> Path:
    """Train LitePose or a variant of it; returns the checkpoint.

    Args:
        name: What the catalogue calls it.
        options: The run.
        display: Where progress goes.

    Raises:
        ExportError: The catalogue has no bottom-up network of that name, or files label different
            keypoints.
    """
    processes = prepare(options, together=True)
    found = networks.find(name)
    if found.family != "litepose":
        raise ExportError(f"{name} is no bottom-up network")
    datasets = [read_coco(path, options.images) for path in options.data]
    skeleton = common_skeleton(datasets)
    keypoints = len(skeleton)
    trained = TrainedAs(
        skeleton=skeleton, training=training_of(options), network=name, name=options.name
    )
    schedule = FINETUNE_SCHEDULE if options.stage == "finetune" else TRAIN_SCHEDULE
    schedule = options.adjusted(schedule)
    side = min(found.input_size.width, found.input_size.height)
    evaluate: Evaluate | None = None
    if options.dev is not None:
        evaluate = BottomUpValidator(
            read_dev(options.dev, options.images, skeleton),
            manifests.manifest(found, keypoints, Size(side, side), trained=trained),
            min_peak=MIN_PEAK,
            max_photographs=SCORED_PHOTOGRAPHS,
        )
    views = ViewOptions(short_side=side)
    network = found.build(keypoints, found.input_size)
    hints: Hints | None = None
    if options.teacher is not None:
        hints = _hints(network, options.teacher, keypoints, options.device)
    seed, share = sample_seed(options, processes), processes.share(schedule.batch)
    photographs = load_photographs(datasets)
    prefetcher = Prefetcher(ViewSampler(photographs, views, seed, skeleton))
    trainer = Trainer(
        network,
        batches=lambda s, shares: prefetcher.batches(share, s, shares),
        loss=BottomUpLoss(
            device=options.device,
            hints=hints,
            # Several processes have to agree which weights have gradients, at every step the same.
            depthwise_every=DEPTHWISE_EVERY if processes.count == 1 else 1,
        ),
        schedule=schedule,
        budget=options.budget,
        folder=options.folder,
        sources=photographs.sources,
        device=options.device,
        helper=hints,
        metadata=trained.to_metadata(),
        processes=processes,
        synchronized=options.synchronized,
        before_step=None if hints is None else hints.set_progress,
    )
    return run_to_end(trainer, prefetcher, options, evaluate, display)


def _hints(network: nn.Module, checkpoint: Path, keypoints: int, device: str) -> Hints:
    """From a whole checkpoint of the dense variant; a partial one would give random features."""
    dense = networks.find(networks.DENSE)
    teacher = dense.build(keypoints, dense.input_size)
    if checkpoint.suffix == ".onnx":
        raise CheckpointError(f"{checkpoint}: hints come from a checkpoint, not from a model file")
    fitting, tensors = start_from(teacher, checkpoint, lambda _: None), len(teacher.state_dict())
    if fitting < tensors:
        raise CheckpointError(
            f"{checkpoint} is no checkpoint of {networks.DENSE}: {fitting} of {tensors} tensors fit"
        )
    assert isinstance(network, FusionHead)
    assert isinstance(teacher, FusionHead)
    teacher.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Hints(network, teacher)
