"""`litepose-export train`: trains the project's networks on COCO-format photographs."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from litepose_edge.cli.options import Images, finite
from litepose_edge.geometry import Size
from litepose_export.cli.console import importable_here, progress, requires
from litepose_export.cli.quantization.gate import gate_progress, print_quantization
from litepose_export.cli.training import (
    MAX_SEED,
    DeviceName,
    check_options,
    one_or_none,
    print_checkpoint,
    speaks_for_all,
    training_display,
)
from litepose_export.training.core.target_options import CHECKPOINT_MINUTES, TEACHER_SHARE

if TYPE_CHECKING:
    from litepose_export.training.core.schedule import Mix
    from litepose_export.training.runs.runner import Display


class LossName(str, Enum):
    """Losses on heatmaps; see `litepose_export.training.core.losses`."""

    RCE = "rce"
    RCE_RESIDUAL = "rce-residual"
    RCE_PLACE = "rce-place"
    RCE_RESIDUAL_PLACE = "rce-residual-place"
    MSE = "mse"


class AugmentationName(str, Enum):
    """Augmentations of crops; see `litepose_export.training.data.augmentation`."""

    NONE = "none"
    WEAK = "weak"
    MEDIUM_NO_PASTE = "medium-no-paste"
    MEDIUM = "medium"
    STRONG = "strong"


class StageName(str, Enum):
    """Stages of training; see `litepose_export.training.runs.options`."""

    TRAIN = "train"
    FINETUNE = "finetune"


class BatchStatistics(str, Enum):
    """Whose batches a normalisation looks at where several processes train together."""

    SYNCHRONIZED = "synchronized"
    PER_PROCESS = "per-process"


def train(
    ctx: typer.Context,
    network: Annotated[
        str,
        typer.Argument(
            help="Name in `list`, a search's network.json, or your own: my_package.nets:build; "
            "with --data-on-device several sizes of LRPose joined by +."
        ),
    ],
    data: Annotated[
        list[Path], typer.Option(help="COCO keypoint JSON, or shards of pack; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; a checkpoint in it is continued.")],
    dev: Annotated[Path | None, typer.Option(help="COCO JSON to score on.")] = None,
    images: Images = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            help="One person's crops: any pose network that runs here, or two whose heatmaps are "
            "as PP-TinyPose's, the second has to agree. --data-on-device: one OpenVINO IR. "
            "Other networks: one."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Weights to start from: a checkpoint, LRPose's float .onnx, or a released "
            "network's name; EfficientPose: of any network of inverted residuals, MobileNetV2 "
            "too, remapped (FNA); with --data-on-device also a folder of checkpoints."
        ),
    ] = None,
    stage: Annotated[
        StageName,
        typer.Option(help="finetune continues from --init at lower rates, weaker augmentation."),
    ] = StageName.TRAIN,
    rate: Annotated[
        float,
        typer.Option(
            callback=finite, min=0.0, help="Part of the usual learning rates, for --init."
        ),
    ] = 1.0,
    constant_rate_share: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            min=0,
            max=0.99,
            help="Part of the run at the peak rates before they fall.",
        ),
    ] = None,
    loss: Annotated[
        LossName | None,
        typer.Option(
            help="Of networks of one person's crop: cross-entropy on heat, its residual form, "
            "with place, or MSE. Unless given: mse; FasterPose and LRPose: rce, and "
            "rce-residual-place from weights of LRPose for the same keypoints."
        ),
    ] = None,
    teacher_share: Annotated[
        float,
        typer.Option(
            callback=finite,
            min=0,
            max=1,
            help="Weight of the teacher against the labels; one person's crops only.",
        ),
    ] = TEACHER_SHARE,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            help="UNTIL:SHARE,SHARE,...: up to which part of the run how much of each --data "
            "and, with a teacher, of people without keypoints, the last share; repeatable. One "
            "person's crops only."
        ),
    ] = None,
    augmentation: Annotated[
        AugmentationName | None,
        typer.Option(help="In place of the stage's own; one person's crops only."),
    ] = None,
    negatives: Annotated[
        list[Path] | None,
        typer.Option(
            help="COCO JSON whose boxes show no one, of the photographs of --data: learned as "
            "such; repeatable. One person's crops only."
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(help="A module that stays as --init has it; repeatable."),
    ] = None,
    reinit: Annotated[
        list[str] | None,
        typer.Option(help="A module that takes nothing from --init; repeatable."),
    ] = None,
    data_on_device: Annotated[
        bool,
        typer.Option(
            "--data-on-device",
            help="LRPose: keep photographs and teacher on the device; batches are made there.",
        ),
    ] = False,
    qat: Annotated[
        bool,
        typer.Option(
            "--qat", help="Fine-tune the INT8 form of --init FILE.onnx instead, --steps long."
        ),
    ] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all.")] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            min=0.001,
            help="How often each person comes by; one person's crops only.",
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Crops a step.")] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(callback=finite, min=1e-9, help="AdamW's peak rate; others in proportion."),
    ] = None,
    height: Annotated[
        int | None, typer.Option(min=1, help="Input height; one person's crops only.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="Input width; one person's crops only.")
    ] = None,
    data_name: Annotated[
        list[str] | None,
        typer.Option(
            help="What the exported file calls the data; their files' names unless given."
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(help="Of the weights, as the exported file says it.")
    ] = "",
    name: Annotated[
        str | None, typer.Option(help="What the exported file is called in its manifest.")
    ] = None,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Event files in OUT/tensorboard, beside log.csv."),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            callback=finite, min=0.001, help="Training time in all; steps repeat, minutes do not."
        ),
    ] = None,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(callback=finite, min=0.0, help="Between checkpoints, each scored on --dev."),
    ] = CHECKPOINT_MINUTES,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of weights and samples.")] = 0,
    device: Annotated[
        DeviceName | None, typer.Option(help="Unless given, cuda where there is one.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="PyTorch's CPU threads.")] = None,
    batch_statistics: Annotated[
        BatchStatistics,
        typer.Option(
            help="Under torchrun: whether batch normalisation looks at the batches of all "
            "processes, or each at its own."
        ),
    ] = BatchStatistics.SYNCHRONIZED,
) -> None:
    """Train a network on COCO-format photographs, for the keypoints they label."""
    if sum(given is not None for given in (steps, minutes, epochs)) != 1:
        raise typer.BadParameter("give one of --epochs, --steps and --minutes")
    names, family = _family_of(network)
    check_options(ctx, names, family)
    mixes = _mixes(mix or [], data, bool(teacher))
    common = {
        "data": tuple(data),
        "dev": dev,
        "images": tuple(images or ()),
        "folder": out,
        "seed": seed,
        "threads": threads,
    }
    if qat:
        _fine_tune_quantized(network, common, init, steps)
        return
    with requires("export"):
        from litepose_export.training.core.initialization import find_weights
    scheduled = (
        common
        | _schedule(steps, minutes, device)
        | {
            "init": None if init is None else find_weights(init),
            "batch": batch_size,
            "learning_rate": learning_rate,
            "data_names": tuple(data_name or ()),
            "licence": licence,
            "rate": rate,
            "constant_rate_share": constant_rate_share,
            "stage": stage.value,
            "checkpoint_minutes": checkpoint_minutes,
            "name": name,
            "tensorboard": tensorboard,
            "synchronized": batch_statistics is BatchStatistics.SYNCHRONIZED,
        }
    )
    heatmaps = scheduled | {
        "loss": loss.value if loss else None,
        "teacher_share": teacher_share,
        "frozen": tuple(freeze or ()),
        "reinit": tuple(reinit or ()),
        "mixes": mixes,
        "augmentation": augmentation.value if augmentation else None,
        "negatives": tuple(negatives or ()),
    }
    teachers = tuple(teacher or ())
    run: Callable[[Display], Path]
    match family:
        case "lrpose" if data_on_device:
            run = _accelerator_run(names, heatmaps, teachers)
        case "litepose":
            run = _bottom_up_run(network, scheduled, teachers)
        case "persondet":
            run = _detector_run(scheduled, teachers)
        case _:
            sized_run = {"epochs": epochs, "input_size": _input_size(network, width, height)}
            run = _pose_run(network, heatmaps | sized_run, teachers)
    with progress(shown=speaks_for_all()) as bar, importable_here():
        checkpoint = run(training_display(bar))
    print_checkpoint(checkpoint)


def _family_of(network: str) -> tuple[tuple[str, ...], str]:
    """Names joined by +, and the catalogue's family that all of them belong to."""
    with requires("export"):
        from litepose_export.models import networks
    if network.endswith(".json"):
        return (network,), networks.find(network).family
    if ":" in network:
        return (network,), "own"
    names = tuple(network.split("+"))
    families = {networks.find(name).family for name in names}
    if len(families) > 1:
        raise typer.BadParameter("only sizes of LRPose learn together")
    return names, families.pop()


def _mixes(texts: list[str], data: list[Path], unlabelled: bool) -> tuple[Mix, ...]:
    """The mixes asked for; of how many sources shards and unlabelled people are, they say."""
    with requires("export"):
        from litepose_export.training.core.schedule import parse_mixes
    packed = any(path.suffix == ".npz" for path in data)
    try:
        return parse_mixes(texts, None if packed or unlabelled else len(data))
    except ValueError as exc:
        raise typer.BadParameter(f"--mix {exc}") from exc


def _input_size(network: str, width: int | None, height: int | None) -> Size | None:
    """The input asked for, if one was; what is left out is the network's own."""
    if width is None and height is None:
        return None
    with requires("export"):
        from litepose_export.models import networks
    own = networks.PORTRAIT if ":" in network else networks.find(network).input_size
    return Size(width or own.width, height or own.height)


def _schedule(
    steps: int | None, minutes: float | None, device: DeviceName | None
) -> dict[str, Any]:
    """Budget and device of a run."""
    with requires("export"):
        import torch

        from litepose_export.training.core.loop import Budget
    usual = DeviceName.CUDA if torch.cuda.is_available() else DeviceName.CPU
    return {"budget": Budget(steps=steps, minutes=minutes), "device": (device or usual).value}


def _pose_run(
    network: str, options: dict[str, Any], teachers: tuple[Path, ...]
) -> Callable[[Display], Path]:
    with requires("export"):
        from litepose_export.training.runs.options import PoseRunOptions
        from litepose_export.training.runs.pose import train_pose
    if len(teachers) > 2:
        raise typer.BadParameter("a pose network takes one or two --teacher, or none")
    return partial(train_pose, network, PoseRunOptions(**options, teachers=teachers))


def _accelerator_run(
    names: tuple[str, ...], options: dict[str, Any], teachers: tuple[Path, ...]
) -> Callable[[Display], Path]:
    with requires("export"):
        from litepose_export.training.runs.accelerator import train_on_accelerator
        from litepose_export.training.runs.options import AcceleratorRunOptions
    teacher = one_or_none(teachers, "--data-on-device")
    return partial(train_on_accelerator, names, AcceleratorRunOptions(**options, teacher=teacher))


def _bottom_up_run(
    network: str, options: dict[str, Any], teachers: tuple[Path, ...]
) -> Callable[[Display], Path]:
    with requires("export"):
        from litepose_export.training.runs.bottomup import train_bottom_up
        from litepose_export.training.runs.options import BottomUpRunOptions
    teacher = one_or_none(teachers, "a bottom-up network")
    return partial(train_bottom_up, network, BottomUpRunOptions(**options, teacher=teacher))


def _detector_run(options: dict[str, Any], teachers: tuple[Path, ...]) -> Callable[[Display], Path]:
    with requires("export"):
        from litepose_export.training.runs.detector import train_detector
        from litepose_export.training.runs.options import DetectorRunOptions
    teacher = one_or_none(teachers, "a detector")
    return partial(train_detector, DetectorRunOptions(**options, teacher=teacher))


def _fine_tune_quantized(
    network: str, common: dict[str, Any], init: Path | None, steps: int | None
) -> None:
    """`--qat`: fine-tune the INT8 form of a float pose file and print the report."""
    if init is None:
        raise typer.BadParameter("--qat starts from a float file: give --init FILE.onnx")
    if steps is None:
        raise typer.BadParameter("--qat needs --steps: its rate falls over a known number of them")
    with requires("export"):
        from litepose_export.training.runs import quantization_aware
        from litepose_export.training.runs.options import QuantizationAwareRunOptions
    options = QuantizationAwareRunOptions(**common, init=init, steps=steps)
    with gate_progress() as started:
        report = quantization_aware.train_quantized(network, options, started)
    print_quantization(report, as_json=False)
