"""Whole training runs of our networks: data, teacher, loop, from options to checkpoint."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from litepose_edge.geometry import Float32, Size
from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.errors import CheckpointError, ExportError
from litepose_export.models import manifests, networks
from litepose_export.models.architectures.litepose import FusionHead
from litepose_export.models.architectures.persondet import PersonDet
from litepose_export.training.bottomup.loss_and_validation import (
    BOTTOM_UP_REFINE_SCHEDULE,
    BOTTOM_UP_SCHEDULE,
    MIN_PEAK,
    SCORED_PHOTOGRAPHS,
    BottomUpLoss,
    BottomUpValidator,
)
from litepose_export.training.bottomup.views import ViewOptions, ViewSampler, load_scenes
from litepose_export.training.core.initialization import read_average, start_from
from litepose_export.training.core.loop import Budget, Evaluate, Progress, Trainer
from litepose_export.training.core.precision import bfloat16_pays
from litepose_export.training.core.schedule import Phase, Schedule
from litepose_export.training.data.crop_sampler import Prefetcher
from litepose_export.training.data.people import data_hash, read_photographs
from litepose_export.training.detection import pseudo_labels as detection_teacher
from litepose_export.training.detection.hard_negatives import Tile, mine
from litepose_export.training.detection.loss_and_validation import DetectionLoss, DetectionValidator
from litepose_export.training.detection.scenes import (
    Labels,
    SceneOptions,
    SceneSampler,
    label,
    occupied,
)
from litepose_export.training.distillation.hints import Hints

DETECTOR_SCHEDULE = Schedule(
    phases=(
        Phase(0.5, Size(224, 224)),
        Phase(0.8, Size(288, 288)),
        Phase(1.0, manifests.DETECTOR_INPUT),
    ),
    batch=32,
    ema_decay=0.999,
)
# Longer at the size it runs at, with fewer mosaics, which make everybody small.
DETECTOR_REFINE_SCHEDULE = Schedule(
    phases=(Phase(0.45, Size(288, 288)), Phase(1.0, manifests.DETECTOR_INPUT)),
    batch=32,
    learning_rate=1.2e-3,
    ema_decay=0.999,
)
DETECTOR_REFINE_SCENES = SceneOptions(mosaic=0.35, zoom=(0.7, 1.8))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run needs besides its network.

    Attributes:
        data: COCO keypoint files to train on.
        dev: COCO keypoint file to score on at every checkpoint, or None.
        folder: Checkpoint, log and record go here; a checkpoint there is continued.
        budget: How long.
        seed: Of weights and samples.
        device: `"cpu"` or `"cuda"`.
        threads: CPU threads of PyTorch, or None for its default.
        init: Checkpoint or released float model (`.onnx`) whose fitting tensors the network
            starts from, or None.
        rate: Part of the schedule's learning rates to use: a network that has learned much
            forgets it at the rates that a fresh one wants.
        refine: A second run from `init`, under the `..._REFINE_...` settings above; the
            detector's also looks for places that fool it, and learns from those.
        loss: Of LRPose, one of `LOSSES`.
        teachers: LRPose: none, or two networks with PP-TinyPose's manifest, the second of which
            has to agree where nobody labelled (packed crops bring both opinions along). Detector:
            none, or an RTMDet person detector that finds people whom nobody labelled. Bottom-up:
            none, or a checkpoint of the dense variant whose hidden layers give hints.
        teacher_share: Of LRPose, weight of the teacher's maps against the labels.
        hold: Part of the run at the peak rates, or None for the schedule's own.
        frozen: Of LRPose, names of modules that stay as `init` has them.
        fresh: Of LRPose, names of modules that take nothing from `init`.
        resident: Of LRPose, whether photographs and teacher live on the device and batches are
            made there; then one teacher, an OpenVINO IR, is enough.
    """

    data: tuple[Path, ...]
    dev: Path | None
    folder: Path
    budget: Budget
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    init: Path | None = None
    rate: float = 1.0
    refine: bool = False
    loss: str = "rce"
    teachers: tuple[Path, ...] = ()
    teacher_share: float = 0.4
    hold: float | None = None
    frozen: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    resident: bool = False

    def paced(self, schedule: Schedule) -> Schedule:
        """The schedule at this run's rates."""
        muon = schedule.muon_rate
        return replace(
            schedule,
            learning_rate=schedule.learning_rate * self.rate,
            muon_rate=muon * self.rate if muon is not None else None,
            hold=schedule.hold if self.hold is None else self.hold,
        )


@dataclass(frozen=True, slots=True)
class Display:
    """Where a run's progress goes: `started(what, total)` gives a tick, `stepped` a step."""

    started: Callable[[str, int], Callable[[], None]]
    stepped: Callable[[Progress], None]
    scored: Callable[[dict[str, float]], None]


def train_bottom_up(name: str, options: RunOptions, display: Display) -> Path:
    """Train a LitePose or a variant of it; returns the checkpoint.

    Args:
        name: What the catalogue calls it.
        options: The run.
        display: Where progress goes.

    Raises:
        ExportError: The catalogue has no bottom-up network of that name.
    """
    prepare(options)
    found = networks.find(name)
    if found.family != "litepose":
        raise ExportError(f"{name} is no bottom-up network")
    datasets = [read_coco(path) for path in options.data]
    keypoints = len(datasets[0].keypoint_names)
    schedule = BOTTOM_UP_REFINE_SCHEDULE if options.refine else BOTTOM_UP_SCHEDULE
    schedule = options.paced(schedule)
    side = min(found.input_size.width, found.input_size.height)
    evaluate: Evaluate | None = None
    if options.dev is not None:
        evaluate = BottomUpValidator(
            read_coco(options.dev),
            manifests.manifest(found, keypoints, Size(side, side)),
            min_peak=MIN_PEAK,
            most=SCORED_PHOTOGRAPHS,
        )
    views = ViewOptions(short_side=side)
    network = found.build(keypoints, found.input_size)
    teacher = options.teachers[0] if options.teachers else None
    hints = None if teacher is None else _hints(network, teacher, keypoints, options.device)
    prefetcher = Prefetcher(ViewSampler(load_scenes(datasets), views, options.seed))
    trainer = Trainer(
        network,
        batches=lambda s, shares: prefetcher.batches(schedule.batch, s, shares),
        loss=BottomUpLoss(
            device=options.device,
            half=options.device == "cuda"
            or (name == networks.DENSE and bfloat16_pays(options.device)),
            hints=hints,
        ),
        schedule=schedule,
        budget=options.budget,
        folder=options.folder,
        sources=len(datasets),
        device=options.device,
        helper=hints,
    )

    def stepped(progress: Progress) -> None:
        if hints is not None:
            hints.pace(progress.part)
        display.stepped(progress)

    return run_to_end(trainer, prefetcher, options, evaluate, replace(display, stepped=stepped))


def train_detector(options: RunOptions, display: Display) -> Path:
    """Train PersonDet; returns the checkpoint.

    Args:
        options: The run.
        display: Where progress goes.
    """
    prepare(options)
    dataset = read_coco(options.data[0])
    photographs = read_photographs(image.path for image in dataset)
    taught = [np.zeros((0, 5), np.float32) for _ in photographs]
    if options.teachers:
        taught = _taught_boxes(
            photographs, options.teachers[0], options.folder / "boxes.npz", display
        )
    evaluate: Evaluate | None = None
    if options.dev is not None:
        evaluate = DetectionValidator(read_coco(options.dev), manifests.DETECTOR_INPUT)
    network, labels = PersonDet(), label(dataset, taught)
    schedule, scenes = DETECTOR_SCHEDULE, SceneOptions()
    hard: list[Tile] = []
    if options.refine:
        schedule, scenes = DETECTOR_REFINE_SCHEDULE, DETECTOR_REFINE_SCENES
        hard = _hard_negatives(network, photographs, labels, options, display)
    schedule = options.paced(schedule)
    prefetcher = Prefetcher(SceneSampler(photographs, labels, scenes, options.seed, hard))
    trainer = Trainer(
        network,
        batches=lambda s, shares: prefetcher.batches(schedule.batch, s, shares),
        loss=DetectionLoss(device=options.device),
        schedule=schedule,
        budget=options.budget,
        folder=options.folder,
        device=options.device,
    )
    return run_to_end(trainer, prefetcher, options, evaluate, display)


def prepare(options: RunOptions) -> None:
    """Seed and threads of a run, and its folder."""
    cv2.setNumThreads(1)  # the sampler has a thread of its own; more would fight the optimiser
    torch.manual_seed(options.seed)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)


class Closable(Protocol):
    """Where batches come from."""

    def close(self) -> None:
        """Stop making them."""


def run_to_end(
    trainer: Trainer,
    source: Closable,
    options: RunOptions,
    evaluate: Evaluate | None,
    display: Display,
    start: Callable[[], object] | None = None,
) -> Path:
    """Train until the budget is spent, scored and recorded; returns the checkpoint.

    Args:
        trainer: What trains.
        source: Where its batches come from, closed at the end.
        options: The run.
        evaluate: What scores the averaged network at every checkpoint, or None.
        display: Where progress goes.
        start: Gives the network what `options.init` has, if not in the usual way.
    """
    if not trainer.resume() and options.init is not None:
        if start is not None:
            start()
        else:
            start_from(trainer.network, options.init, trainer.look, options.fresh)
        trainer.average.load_state_dict(trainer.network.state_dict())

    commit = commit_id()  # before the run: afterwards the tree may have moved on

    def score(network: nn.Module) -> dict[str, float]:
        assert evaluate is not None
        metrics = evaluate(network)
        display.scored(metrics)
        return metrics

    try:
        trainer.run(on_step=display.stepped, evaluate=score if evaluate else None)
    finally:
        source.close()
    _record(commit, options, trainer)
    return trainer.checkpoint_path


def _record(commit: str, options: RunOptions, trainer: Trainer) -> None:
    """Write what somebody would need to repeat the run, and how it went."""
    with (options.folder / "log.csv").open(newline="") as file:
        checkpoints = list(csv.DictReader(file))
    record: dict[str, Any] = {
        "commit": commit,
        "seed": options.seed,
        "data_sha256": data_hash(options.data),
        "data": [path.name for path in options.data],
        "init": options.init.name if options.init else None,
        "refine": options.refine,
        "loss": options.loss,
        "teachers": [path.name for path in options.teachers],
        "teacher_share": options.teacher_share,
        "frozen": options.frozen,
        "fresh": options.fresh,
        "resident": options.resident,
        "schedule": asdict(trainer.schedule),
        "budget": asdict(options.budget),
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 1),
        "checkpoints": checkpoints,
    }
    (options.folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def commit_id() -> str:
    """The commit of the tree that runs, or `"unknown"`."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip()


def _hints(network: nn.Module, teacher: Path, keypoints: int, device: str) -> Hints:
    """From the dense variant of a checkpoint; less than all of it would hint at noise."""
    dense = networks.find(networks.DENSE)
    taught = dense.build(keypoints, dense.input_size)
    if teacher.suffix == ".onnx":
        raise CheckpointError(f"{teacher}: hints come from a checkpoint, not from a model file")
    found, all_of_it = start_from(taught, teacher, lambda _: None), len(taught.state_dict())
    if found < all_of_it:
        raise CheckpointError(
            f"{teacher} is no checkpoint of {networks.DENSE}: {found} of {all_of_it} tensors fit"
        )
    assert isinstance(network, FusionHead)
    assert isinstance(taught, FusionHead)
    taught.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Hints(network, taught)


def _hard_negatives(
    network: PersonDet,
    photographs: tuple[NDArray[np.uint8], ...],
    labels: list[Labels],
    options: RunOptions,
    display: Display,
) -> list[Tile]:
    """What fools the network that the run starts from."""
    if options.init is None:
        raise CheckpointError("a refining run starts from a checkpoint: give --init")
    fooled = read_average(network, options.init)
    people = [occupied(found) for found in labels]
    tries = 4000
    tick = display.started("look for what fools the detector", tries // 16)
    rng = np.random.default_rng(options.seed)
    return mine(fooled, photographs, people, rng, tick, tries=tries)


def _taught_boxes(
    photographs: tuple[Any, ...], model: Path, cache: Path, display: Display
) -> list[Float32]:
    """The teacher's boxes, from the cache if it was made of as many photographs."""
    if cache.exists():
        with np.load(cache) as stored:
            if len(stored["counts"]) == len(photographs):
                return np.split(stored["boxes"], np.cumsum(stored["counts"])[:-1])
    tick = display.started("teach", len(photographs))
    found = detection_teacher.detect_people(photographs, model, threads=1, tick=tick)
    np.savez(cache, boxes=np.concatenate(found), counts=np.array([len(f) for f in found]))
    return found
