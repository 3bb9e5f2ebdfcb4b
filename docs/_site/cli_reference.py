"""The command-line reference, from the commands' own signatures."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import typer
from typer.models import ArgumentInfo, OptionInfo

import litepose_edge.cli.app
import litepose_export.cli.app

MARK = "<!-- commands -->"
NAMES = {str: "text", int: "integer", float: "number", Path: "path"}


@dataclass(frozen=True)
class Parameter:
    """One argument or option of a command."""

    spelled: list[str]
    value: str
    default: str
    help: str
    argument: bool


def markdown(page: str) -> str:
    """The page with every command of both programs in the place of its mark."""
    lines: list[str] = []
    for app in (litepose_edge.cli.app.app, litepose_export.cli.app.app):
        program = str(app.info.name)
        lines += ["", f"## {program}", "", str(app.info.help)]
        for command in app.registered_commands:
            assert command.callback is not None
            name = f"{program} {command.name}"
            example = command.epilog or ""
            lines += ["", f"### {name}", "", *_command(name, command.callback, example)]
    assert MARK in page
    return page.replace(MARK, "\n".join(lines))


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Arguments and options of a command, in order."""
    hints = typing.get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    return [
        _parameter(name, hints[name], signature.parameters[name].default) for name in hints
        if name != "return" and hints[name] is not typer.Context and not _info(hints[name]).hidden
    ]  # fmt: skip


def commands(app: typer.Typer) -> dict[str, Callable[..., Any]]:
    """The functions behind a program's commands."""
    return {str(c.name): c.callback for c in app.registered_commands if c.callback is not None}


def _command(name: str, function: Callable[..., Any], example: str) -> Iterator[str]:
    known = parameters(function)
    arguments = [p for p in known if p.argument]
    yield from ("```text", " ".join([name, *(p.spelled[0] for p in arguments), "[OPTIONS]"]))
    yield from ("```", "")
    for paragraph in inspect.cleandoc(function.__doc__ or "").split("\n\n"):
        yield from (_prose(paragraph), "")
    if example:
        yield from ("```text", example.removeprefix("Example:").strip(), "```", "")
    for title, chosen in (
        ("Argument", arguments),
        ("Option", [p for p in known if not p.argument]),
    ):
        if chosen:
            yield from ("", f"| {title} | Value | Default | |", "|---|---|---|---|")
            for p in chosen:
                spelled = ", ".join(f"`{name}`" for name in p.spelled)
                cells = [spelled, p.value, p.default, p.help]
                yield (
                    "| "
                    + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells)
                    + " |"
                )


def _prose(paragraph: str) -> str:
    """What follows a backspace character is laid out by hand, and stays so."""
    if not paragraph.startswith("\b"):
        return paragraph
    return "```text\n" + paragraph.removeprefix("\b").strip("\n") + "\n```"


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    kind, info = get_args(hint)[0], _info(hint)
    argument = isinstance(info, ArgumentInfo)
    option = "--" + name.replace("_", "-")
    # Typer takes the first name given inside `Annotated` for a default until it reads the command.
    named = [info.default] if isinstance(info.default, str) else []
    declared = [d for entry in [*named, *(info.param_decls or ())] for d in entry.split("/")]
    if argument:
        spelled = [(info.metavar or name).upper()]
    elif kind is bool and not declared:
        spelled = [option, "--no-" + option.removeprefix("--")]
    else:
        spelled = declared or [option]
    return Parameter(
        spelled=spelled,
        value=_value(kind, info),
        default=_default(default, len(spelled)),
        help=inspect.cleandoc(info.help or ""),
        argument=argument,
    )


def _info(hint: Any) -> ArgumentInfo | OptionInfo:
    return next(a for a in get_args(hint) if isinstance(a, ArgumentInfo | OptionInfo))


def _value(kind: Any, info: ArgumentInfo | OptionInfo) -> str:
    if get_origin(kind) in (UnionType, typing.Union):
        kind = next(a for a in get_args(kind) if a is not type(None))
    repeated = get_origin(kind) is list
    if repeated:
        kind = get_args(kind)[0]
    if kind is bool:
        return ""
    if isinstance(kind, type) and issubclass(kind, Enum):
        name = ", ".join(f"`{choice.value}`" for choice in kind)
    else:
        name = NAMES[kind]
    limits = [f"at least {info.min:g}"] if info.min is not None else []
    limits += [f"at most {info.max:g}"] if info.max is not None else []
    return ", ".join([name, *limits, *(["repeatable"] if repeated else [])])


def _default(default: Any, spellings: int) -> str:
    if default is inspect.Parameter.empty:
        return "required"
    if default is None:
        return ""
    if isinstance(default, bool):
        return ("on" if default else "off") if spellings > 1 else ""
    return f"`{default.value if isinstance(default, Enum) else default}`"
