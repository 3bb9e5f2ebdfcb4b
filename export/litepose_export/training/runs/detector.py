"""Training runs of PersonDet, the person detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from litepose_edge.atomic_files import replacing
from litepose_edge.backends.session import Session
from litepose_edge.geometry import Float32, Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.errors import CheckpointError, ExportError
from litepose_export.models import manifests
from litepose_export.models.architectures.persondet import PersonDet
from litepose_export.models.trained import TrainedAs
from litepose_export.training.core.initialization import read_average
from litepose_export.training.core.loop import Evaluate, Trainer
from litepose_export.training.core.photographs import Image, read_photographs
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.data.array_file import MADE_AGAIN, read_arrays
from litepose_export.training.data.content_hash import hash_photographs
from litepose_export.training.data.prefetcher import Prefetcher
from litepose_export.training.detection.hard_negatives import (
    TILES_A_BATCH,
    Tile,
    mine_hard_negatives,
)
from litepose_export.training.detection.loss import DetectionLoss
from litepose_export.training.detection.pseudo_labels import detect_people, open_detector
from litepose_export.training.detection.scenes import (
    BoxLabels,
    SceneOptions,
    SceneSampler,
    merge_labels,
    occupied,
)
from litepose_export.training.detection.validation import DetectionValidator
from litepose_export.training.runs.options import DetectorRunOptions
from litepose_export.training.runs.runner import (
    Display,
    prepare,
    run_to_end,
    sample_seed,
    training_of,
)

TRAIN_SCHEDULE = Schedule(
    phases=(
        Phase(0.5, Size(224, 224)),
        Phase(0.8, Size(288, 288)),
        Phase(1.0, manifests.DETECTOR_INPUT),
    ),
    batch=32,
    ema_decay=0.999,
)
# Longer at the size it runs at, with fewer mosaics, in which all people are small.
FINETUNE_SCHEDULE = Schedule(
    phases=(Phase(0.45, Size(288, 288)), Phase(1.0, manifests.DETECTOR_INPUT)),
    batch=32,
    learning_rate=1.2e-3,
    ema_decay=0.999,
)
FINETUNE_SCENES = SceneOptions(mosaic=0.35, zoom=(0.7, 1.8))
MINING_TRIES = 4000


def train_detector(options: DetectorRunOptions, display: Display) -> Path:
    """Train PersonDet; returns the checkpoint.

    Fine-tuning also mines hard negatives: places without people that the network it starts from
    takes for people.

    Args:
        options: The run.
        display: Where progress goes.

    Raises:
        CheckpointError: Fine-tuning has nothing to start from.
        ExportError: The files name no photographs, or the teacher is no RTMDet detector.
        ModelError: The teacher is not there or cannot be loaded.
    """
    processes = prepare(options, together=True)
    datasets = [read_coco(path, options.images) for path in options.data]
    images = [image for dataset in datasets for image in dataset]
    if not images:
        raise ExportError(
            "nothing to train on: expected photographs in "
            + ", ".join(str(dataset.path) for dataset in datasets)
        )
    teacher = None if options.teacher is None else open_detector(options.teacher)
    photographs = read_photographs(image.path for image in images)
    pseudo_labels = [np.zeros((0, 5), np.float32) for _ in photographs]
    if teacher is not None and options.teacher is not None:
        cache = options.folder / "pseudo_labels.npz"
        with processes.one_at_a_machine_ahead():
            made_of = hash_photographs(photographs, (options.teacher,))
            pseudo_labels = kept_pseudo_labels(photographs, teacher, cache, made_of, display)
    evaluate: Evaluate | None = None
    if options.dev is not None:
        evaluate = DetectionValidator(
            read_coco(options.dev, options.images), manifests.DETECTOR_INPUT
        )
    network, labels = PersonDet(), merge_labels(images, pseudo_labels)
    schedule, scenes = TRAIN_SCHEDULE, SceneOptions()
    hard_negatives: list[Tile] = []
    if options.stage == "finetune":
        schedule, scenes = FINETUNE_SCHEDULE, FINETUNE_SCENES
        hard_negatives = _mine(network, photographs, labels, options, display)
    schedule = options.adjusted(schedule)
    trained = TrainedAs(training=training_of(options), network="persondet", name=options.name)
    sources = [len(dataset) for dataset in datasets if len(dataset)]
    seed, share = sample_seed(options, processes), processes.share(schedule.batch)
    sampler = SceneSampler(photographs, labels, scenes, seed, hard_negatives, sources)
    prefetcher = Prefetcher(sampler)
    trainer = Trainer(
        network,
        batches=lambda s, shares: prefetcher.batches(share, s, shares),
        loss=DetectionLoss(device=options.device),
        schedule=schedule,
        budget=options.budget,
        folder=options.folder,
        sources=len(sources),
        device=options.device,
        metadata=trained.to_metadata(),
        processes=processes,
        synchronized=options.synchronized,
    )
    return run_to_end(trainer, prefetcher, options, evaluate, display)


def _mine(
    network: PersonDet,
    photographs: tuple[Image, ...],
    labels: list[BoxLabels],
    options: DetectorRunOptions,
    display: Display,
) -> list[Tile]:
    """Hard negatives of the network that the run starts from."""
    if options.init is None:
        raise CheckpointError("--stage finetune starts from a checkpoint: give --init")
    trained = read_average(network, options.init)
    people = [occupied(found) for found in labels]
    progress = display.started("mine hard negatives", MINING_TRIES // TILES_A_BATCH)
    rng = np.random.default_rng(options.seed)
    return mine_hard_negatives(trained, photographs, people, rng, progress, tries=MINING_TRIES)


def kept_pseudo_labels(
    photographs: tuple[Image, ...], teacher: Session, cache: Path, made_of: str, display: Display
) -> list[Float32]:
    """The teacher's boxes, from the cache if it was made of the same photographs and teacher."""
    if cache.exists():
        stored = read_arrays(cache, ("boxes", "counts"), MADE_AGAIN)
        if stored.get("made_of") == made_of:
            return np.split(stored["boxes"], np.cumsum(stored["counts"])[:-1])
    progress = display.started("run the teacher", len(photographs))
    found = detect_people(photographs, teacher, progress)
    with replacing(cache) as partial:
        counts = np.array([len(boxes) for boxes in found])
        np.savez(partial, boxes=np.concatenate(found), counts=counts, made_of=made_of)
    return found
