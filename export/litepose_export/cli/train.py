"""`litepose-export train`: trains the project's networks on COCO-format photographs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from litepose_edge.cli.console import results
from litepose_export.cli.console import (
    check_teachers,
    progress,
    requires,
    training_display,
)
from litepose_export.cli.quantize import train_quantized


class LossName(StrEnum):
    """Losses on heatmaps; see `litepose_export.training.core.losses`."""

    RCE = "rce"
    RCE_RESIDUAL = "rce-residual"
    RCE_PLACE = "rce-place"
    RCE_RESIDUAL_PLACE = "rce-residual-place"
    MSE = "mse"


def train(
    network: Annotated[
        str, typer.Argument(help="lrpose-n/s/m (--resident: also joined by +), ...")
    ],
    data: Annotated[
        list[Path], typer.Option(help="COCO keypoint JSON, or shards of pack; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; a checkpoint in it is continued.")],
    dev: Annotated[Path | None, typer.Option(help="COCO JSON to score on.")] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Pose: two (teacher, second opinion). Detector, bottom-up: one."),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint or released float .onnx to start from (--resident: or a folder)."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.0, help="Part of the usual learning rates, for --init.")
    ] = 1.0,
    loss: Annotated[
        LossName, typer.Option(help="Of LRPose: heat, residual form, heat and place, or MSE.")
    ] = LossName.RCE,
    teacher_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of LRPose: the teacher against the labels.")
    ] = 0.4,
    hold: Annotated[
        float | None,
        typer.Option(min=0, max=0.99, help="Part of the run at the peak rates before they fall."),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(help="Of LRPose: a part that stays as --init has it; repeatable."),
    ] = None,
    fresh: Annotated[
        list[str] | None,
        typer.Option(help="Of LRPose: a part that takes nothing from --init; repeatable."),
    ] = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="A gentler second run from --init.")
    ] = False,
    qat: Annotated[
        bool, typer.Option("--qat", help="Fine-tune the INT8 form of --init FILE.onnx instead.")
    ] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Training time in all; steps repeat, minutes do not.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights and samples.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; cuda where there is one.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="PyTorch's CPU threads.")] = None,
    resident: Annotated[
        bool,
        typer.Option(
            "--resident", help="Of LRPose: photographs and teacher (one IR) live on the device."
        ),
    ] = False,
) -> None:
    """Train one of our networks on COCO-format photographs."""
    if (steps is None) == (minutes is None):
        raise typer.BadParameter("give either --steps or --minutes")
    with requires("export"):
        import torch

        from litepose_export.training.core.loop import Budget
        from litepose_export.training.runs import accelerator, pose, runner
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    options = runner.RunOptions(
        data=tuple(data),
        dev=dev,
        folder=out,
        budget=Budget(steps=steps, minutes=minutes),
        seed=seed,
        device=chosen,
        threads=threads,
        init=init,
        rate=rate,
        refine=refine,
        loss=loss.value,
        teachers=tuple(teacher or ()),
        teacher_share=teacher_share,
        hold=hold,
        frozen=tuple(freeze or ()),
        fresh=tuple(fresh or ()),
        resident=resident,
    )
    if qat:
        train_quantized(network, options)
        return
    with progress() as bar:
        display = training_display(runner, bar)
        names = network.split("+")
        lrpose = all(name in ("lrpose-n", "lrpose-s", "lrpose-m") for name in names)
        if (options.frozen or options.fresh or resident) and not lrpose:
            raise typer.BadParameter("only LRPose takes --freeze, --fresh and --resident")
        if network == "persondet":
            check_teachers(options.teachers, 1, "a detector")
            checkpoint = runner.train_detector(options, display)
        elif lrpose and resident:
            check_teachers(options.teachers, 1, "a resident run")
            sizes = tuple(name[-1] for name in names)
            checkpoint = accelerator.train_resident(sizes, options, display)
        elif lrpose and len(names) == 1:
            check_teachers(options.teachers, 2, "a pose network")
            checkpoint = pose.train_pose(network[-1], options, display)
        elif network.startswith("litepose-"):
            check_teachers(options.teachers, 1, "a bottom-up network")
            checkpoint = runner.train_bottom_up(network, options, display)
        else:
            raise typer.BadParameter(f"no network '{network}' to train")
    results.print(str(checkpoint), markup=False)
