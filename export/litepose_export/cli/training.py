"""What the commands of training share: which options go together, progress, teachers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import Progress

from litepose_edge.cli.console import messages, results
from litepose_export.cli.console import requires
from litepose_export.cli.given_options import refuse_given, refuse_others, refuse_unread_images

if TYPE_CHECKING:
    from litepose_export.training.core import loop
    from litepose_export.training.runs.runner import Display


MAX_SEED = 2**32 - 1
SIZED = ("epochs", "height", "width")
OF_CROPS = ("freeze", "reinit", "mix", "augmentation", "negatives", "loss", "teacher_share")
# The rest of quantization-aware training is as `quantize` does it.
OF_QAT = ("network", "data", "out", "dev", "images", "init", "qat", "steps", "seed", "threads")


class DeviceName(str, Enum):
    """Where networks are trained."""

    CPU = "cpu"
    CUDA = "cuda"


def check_options(ctx: typer.Context, names: Sequence[str], family: str) -> None:
    """Refuse what a run would ignore or cannot do.

    Args:
        ctx: The command's.
        names: The networks to train.
        family: Of all of them.

    Raises:
        BadParameter: An option does not fit.
    """
    refuse_unread_images(ctx, *ctx.params["data"], ctx.params["dev"])
    on_device, qat = bool(ctx.params["data_on_device"]), bool(ctx.params["qat"])
    with requires("export"):
        from litepose_export.models import networks
    ours = family == "lrpose" and networks.is_lrpose(names[0])
    if (on_device or qat) and not ours:
        raise typer.BadParameter("only LRPose takes --data-on-device and --qat")
    if on_device and names[0].endswith(".json"):
        raise typer.BadParameter("--data-on-device trains networks of the catalogue only")
    if family in ("litepose", "persondet"):
        refuse_given(ctx, OF_CROPS + SIZED, "only networks of one person's crop take these")
    if qat:
        taken = ", ".join(f"--{name}" for name in OF_QAT if name not in ("network", "qat"))
        refuse_others(ctx, OF_QAT, f"--qat goes with {taken} only")
    if on_device:
        refuse_given(ctx, SIZED, "they do not go with --data-on-device")
    if len(names) > 1:
        if not on_device:
            raise typer.BadParameter("several networks learn together with --data-on-device only")
        refuse_given(ctx, ("name",), "several networks keep their own names")


def speaks_for_all() -> bool:
    """Whether this process reports: the first of those that `torchrun` started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def print_checkpoint(checkpoint: Path) -> None:
    """Print where the trained network lies, once for all processes."""
    if speaks_for_all():
        results.print(str(checkpoint), markup=False)


def training_display(bar: Progress) -> Display:
    """Where the progress of a training run is shown."""
    with requires("export"):
        from litepose_export.training.runs.runner import Display
    tasks: list[Any] = []  # of the training itself, once it starts

    def started(what: str, total: int) -> Callable[[], None]:
        task = bar.add_task(what, total=total, note="")
        return lambda: bar.advance(task)

    def stepped(p: loop.Progress) -> None:
        note = f"step {p.step}  loss {p.loss:.4f}  {p.crops_per_second:.0f}/s  {p.input_height} px"
        if not tasks:
            tasks.append(bar.add_task("train", total=1.0, note=""))
        bar.update(tasks[0], completed=p.part, note=note)

    def scored(metrics: dict[str, float]) -> None:
        figures = "  ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        messages.print(f"dev: {figures}")

    return Display(started, stepped, scored)


def two_or_none(teachers: tuple[Path, ...], what: str) -> tuple[Path, ...]:
    """Two teachers or none; refuses any other number."""
    if len(teachers) not in (0, 2):
        raise typer.BadParameter(f"{what} takes two --teacher, or none")
    return teachers


def one_or_none(teachers: tuple[Path, ...], what: str) -> Path | None:
    """The only teacher, if there is one; refuses several."""
    if len(teachers) > 1:
        raise typer.BadParameter(f"{what} takes one --teacher, or none")
    return teachers[0] if teachers else None
