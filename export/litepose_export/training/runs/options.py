"""The options of training runs: what all share, and a class for each kind of run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from litepose_edge.geometry import Size
from litepose_export.training.core.loop import Budget
from litepose_export.training.core.schedule import Mix, Schedule
from litepose_export.training.core.target_options import CHECKPOINT_MINUTES, TEACHER_SHARE
from litepose_export.training.data.augmentation import AUGMENTATIONS, Augmentation

Stage = Literal["train", "finetune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every run needs.

    Attributes:
        data: COCO keypoint files to train on.
        dev: COCO keypoint file to score on, or None.
        images: Folders of the photographs of all these files; `images/` beside each if empty.
        folder: Everything the run writes goes here.
        seed: Of weights and samples.
        threads: CPU threads of PyTorch, or None for its default.
    """

    kind: ClassVar[str] = ""
    data: tuple[Path, ...]
    dev: Path | None = None
    images: tuple[Path, ...] = ()
    folder: Path
    seed: int = 0
    threads: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """All options but the folder and the budget, for the record of a run: names for paths."""
        left_out = ("folder", "budget")
        chosen = [field.name for field in fields(self) if field.name not in left_out]
        return {"kind": self.kind} | {name: _recorded(getattr(self, name)) for name in chosen}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRunOptions(RunOptions):
    """What every run needs that trains a float network under a schedule.

    Attributes:
        budget: How long.
        init: Checkpoint or released float model (`.onnx`) whose fitting tensors the network
            starts from, or None.
        device: `"cpu"` or `"cuda"`.
        rate: Part of the schedule's learning rates to use: a trained network loses what it
            learned at the rates that a new one needs.
        constant_rate_share: Part of the run at the peak rates, or None for the schedule's own.
        stage: `"finetune"` continues from a trained network, at lower rates and, of pose
            networks, with weaker augmentation.
        batch: Crops a step, or None for the schedule's own.
        learning_rate: Peak rate of AdamW, Muon's in proportion; None for the schedule's own.
        data_names: What the data are called in the exported file; the files' names unless given.
        licence: Of the weights, as the exported file says it.
        checkpoint_minutes: Between checkpoints, each of which is scored.
        name: What the exported file calls the network, if not as it is called here.
        tensorboard: Whether event files for TensorBoard are written beside the log.
        synchronized: Where several processes train together, whether normalisations look at the
            batches of all of them, or each at its own.
    """

    budget: Budget
    init: Path | None = None
    device: str = "cpu"
    rate: float = 1.0
    constant_rate_share: float | None = None
    stage: Stage = "train"
    batch: int | None = None
    learning_rate: float | None = None
    data_names: tuple[str, ...] = ()
    licence: str = ""
    checkpoint_minutes: float = CHECKPOINT_MINUTES
    name: str | None = None
    tensorboard: bool = False
    synchronized: bool = True

    @property
    def all_teachers(self) -> tuple[Path, ...]:
        """Networks whose answers the run learns from."""
        return ()

    def adjusted(self, schedule: Schedule) -> Schedule:
        """A schedule at this run's rates."""
        muon, constant = schedule.muon_rate, self.constant_rate_share
        rate = self.rate
        if self.learning_rate is not None:
            rate *= self.learning_rate / schedule.learning_rate
        return replace(
            schedule,
            batch=self.batch or schedule.batch,
            learning_rate=schedule.learning_rate * rate,
            muon_rate=muon * rate if muon is not None else None,
            constant_rate_share=schedule.constant_rate_share if constant is None else constant,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatmapRunOptions(ScheduledRunOptions):
    """What both kinds of runs of networks of one person's crop need.

    Attributes:
        loss: One of `LOSSES`, or None for what suits network and start.
        teacher_share: Weight of the teacher's maps against the labels.
        frozen: Names of modules that stay as `init` has them.
        reinit: Names of modules that take nothing from `init`.
        mixes: How much of a batch comes from each file, in place of the schedule's own.
        augmentation: One of `AUGMENTATIONS`, or None for the run's own.
        negatives: COCO files whose boxes show no one, of the same photographs as `data`: most of
            the crops without people come from them.
    """

    loss: str | None = None
    teacher_share: float = TEACHER_SHARE
    frozen: tuple[str, ...] = ()
    reinit: tuple[str, ...] = ()
    mixes: tuple[Mix, ...] = ()
    augmentation: str | None = None
    negatives: tuple[Path, ...] = ()

    def adjusted(self, schedule: Schedule) -> Schedule:
        """A schedule at this run's rates, with its mix of data."""
        adjusted = ScheduledRunOptions.adjusted(self, schedule)
        return replace(adjusted, mixes=self.mixes) if self.mixes else adjusted

    def choose_augmentation(self, usual: Augmentation) -> Augmentation:
        """The augmentation that the run names, else the usual one."""
        return usual if self.augmentation is None else AUGMENTATIONS[self.augmentation]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseRunOptions(HeatmapRunOptions):
    """A run of a network of one person's crop whose crops the CPU makes.

    Attributes:
        epochs: In place of a budget: how often each person comes by.
        input_size: Of the network; its own unless given.
        data: Besides COCO files: shards of packed crops, which bring their distillation targets.
        teachers: None; one network that runs here, whose keypoints become targets; or two with
            PP-TinyPose's manifest, whose maps do, the second of which has to agree where people
            did not label.
    """

    kind: ClassVar[str] = "pose"
    teachers: tuple[Path, ...] = ()
    epochs: float | None = None
    input_size: Size | None = None

    @property
    def all_teachers(self) -> tuple[Path, ...]:
        """Networks whose answers the run learns from."""
        return self.teachers


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorRunOptions(HeatmapRunOptions):
    """A run of one or more sizes of LRPose with the training data on the device.

    Attributes:
        init: May also be a folder with a checkpoint for each network.
        frozen: Names begin with the network's, as in `lrpose-s.trunk.stem`.
        reinit: Likewise.
        teacher: None, or an OpenVINO IR with PP-TinyPose's manifest.
    """

    kind: ClassVar[str] = "accelerator"
    teacher: Path | None = None

    @property
    def all_teachers(self) -> tuple[Path, ...]:
        """Networks whose answers the run learns from."""
        return (self.teacher,) if self.teacher else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRunOptions(ScheduledRunOptions):
    """A run of PersonDet.

    Attributes:
        teacher: None, or an RTMDet person detector whose boxes become pseudo-labels.
    """

    kind: ClassVar[str] = "detector"
    teacher: Path | None = None

    @property
    def all_teachers(self) -> tuple[Path, ...]:
        """Networks whose answers the run learns from."""
        return (self.teacher,) if self.teacher else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BottomUpRunOptions(ScheduledRunOptions):
    """A run of LitePose or a variant of it.

    Attributes:
        teacher: None, or a checkpoint of the dense variant whose hidden features give hints.
    """

    kind: ClassVar[str] = "bottom-up"
    teacher: Path | None = None

    @property
    def all_teachers(self) -> tuple[Path, ...]:
        """Networks whose answers the run learns from."""
        return (self.teacher,) if self.teacher else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationAwareRunOptions(RunOptions):
    """A run that fine-tunes the INT8 form of LRPose's float file.

    Attributes:
        dev: What the gate compares on; a quarter of the first data file unless given.
        init: The float `.onnx` file.
        steps: Optimiser steps.
    """

    kind: ClassVar[str] = "quantization-aware"
    init: Path
    steps: int


def _recorded(value: Any) -> Any:
    if isinstance(value, Size):
        return asdict(value)
    if isinstance(value, tuple):
        return [_recorded(item) for item in value]
    return value.name if isinstance(value, Path) else value
