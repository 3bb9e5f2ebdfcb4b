"""Help that fits a terminal of 80 columns: options and commands in groups, examples at the end.

Rich's help panels give half of such a terminal to the types of the options.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup


def examples(*commands: str) -> str:
    """What stands at the end of a command's help, one line each."""
    title = "Example" if len(commands) == 1 else "Examples"
    if len(commands) == 1 and len(commands[0]) < 68:
        return f"{title}: {commands[0]}"
    # A backspace character keeps the lines as they are.
    return "\b\n" + "\n".join([f"{title}:", *(f"  {command}" for command in commands)])


class GroupedCommand(TyperCommand):
    """A command whose options are listed by their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, those without a group last but for `--help`."""
        _write_groups(
            formatter,
            (
                (getattr(parameter, "rich_help_panel", None) or _kind(parameter), record)
                for parameter in self.get_params(ctx)
                if (record := parameter.get_help_record(ctx)) is not None
            ),
        )


class GroupedCommands(TyperGroup):
    """A program whose commands are listed by their `rich_help_panel`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first line of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        width = formatter.width - 6 - max((len(name) for name, _ in commands), default=0)
        _write_groups(
            formatter,
            (
                (
                    getattr(command, "rich_help_panel", None) or "Commands",
                    (name, command.get_short_help_str(width)),
                )
                for name, command in commands
                if command is not None and not command.hidden
            ),
        )


def _kind(parameter: Any) -> str:
    return "Arguments" if parameter.param_type_name == "argument" else "Options"


def _write_groups(formatter: Any, records: Iterable[tuple[str, tuple[str, str]]]) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for title, record in records:
        groups.setdefault(title, []).append(record)
    # `--help` and its like after all that is the command's own.
    for title in sorted(groups, key=lambda title: title == "Options"):
        with formatter.section(title):
            formatter.write_dl(groups[title])
