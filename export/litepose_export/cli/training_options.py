"""Which options of `train` go with which networks and which other options."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from litepose_export.cli.given_options import refuse_given, refuse_others

SIZED = ("epochs", "height", "width")
OF_CROPS = ("freeze", "reinit", "mix", "augmentation", "loss", "teacher_share")
# The rest of quantization-aware training is as `quantize` does it.
OF_QAT = ("network", "data", "out", "dev", "images", "init", "qat", "steps", "seed", "threads")


def check_options(ctx: typer.Context, names: Sequence[str], family: str) -> None:
    """Refuse what a run would ignore or cannot do.

    Args:
        ctx: The command's.
        names: The networks to train.
        family: Of all of them.

    Raises:
        BadParameter: An option does not fit.
    """
    on_device, qat = bool(ctx.params["data_on_device"]), bool(ctx.params["qat"])
    if not names[0].startswith("lrpose") and (on_device or qat):
        raise typer.BadParameter("only LRPose takes --data-on-device and --qat")
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
