"""Refuses options that were given and would be ignored."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import typer

NOT_GIVEN = ("DEFAULT", "DEFAULT_MAP")


def refuse_given(ctx: typer.Context, names: Collection[str], why: str) -> None:
    """Refuse those of a command's options that were given, whatever their values.

    Args:
        ctx: The command's.
        names: Parameters of the command's function.
        why: Who takes them instead, such as `"they go with --sandwich"`.

    Raises:
        BadParameter: One was given.
    """
    given = []
    for parameter in ctx.command.params:
        if parameter.name is None or parameter.name not in names:
            continue
        source = ctx.get_parameter_source(parameter.name)
        if source is not None and source.name not in NOT_GIVEN:
            given.append(parameter.opts[0])
    if given:
        raise typer.BadParameter(f"{', '.join(given)}: {why}")


def refuse_unread_images(ctx: typer.Context, *labels: Path | None) -> None:
    """Refuse `--images` where no COCO file is read that its folders belong to.

    Args:
        ctx: The command's.
        labels: What is read: COCO files, folders of photographs, shards of crops; None for an
            option that is not given.

    Raises:
        BadParameter: It was given, and none of these is a COCO file.
    """
    if all(path is None or path.suffix == ".npz" or path.is_dir() for path in labels):
        refuse_given(ctx, ("images",), "they are of a COCO JSON's photographs, and none is read")


def refuse_others(ctx: typer.Context, taken: Collection[str], why: str) -> None:
    """Refuse all of a command's options that were given but these; see `refuse_given`."""
    names = [parameter.name for parameter in ctx.command.params if parameter.name is not None]
    refuse_given(ctx, [name for name in names if name not in taken], why)
