"""Refuses options that were given and would be ignored."""

from __future__ import annotations

from collections.abc import Collection

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


def refuse_others(ctx: typer.Context, taken: Collection[str], why: str) -> None:
    """Refuse all of a command's options that were given but these; see `refuse_given`."""
    names = [parameter.name for parameter in ctx.command.params if parameter.name is not None]
    refuse_given(ctx, [name for name in names if name not in taken], why)
