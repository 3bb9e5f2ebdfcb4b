"""Puts the commands together and turns errors into exit codes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

import litepose_edge
from litepose_edge.cli.console import print_error, results, run_command
from litepose_edge.cli.help import GroupedCommand, GroupedCommands, examples

RENAMED_OPTIONS = {"--style": "--output-format"}
PEOPLE, MEASURE, MODELS = "People in images and films", "Measurements", "Models"

# Each command's module and function, and its group in the help. A module is imported when its
# command is called: together they take as long to import as the rest of the program.
COMMANDS = {
    "demo": ("demo", "demo", PEOPLE),
    "predict": ("predict.command", "predict", PEOPLE),
    "serve": ("serve", "serve", PEOPLE),
    "label": ("label", "label", PEOPLE),
    "bench": ("bench", "bench", MEASURE),
    "bench-compare": ("bench_compare", "compare", MEASURE),
    "eval": ("evaluate", "evaluate", MEASURE),
    "doctor": ("doctor", "doctor", MEASURE),
    "info": ("info", "info", MODELS),
    "adopt": ("adopt", "adopt", MODELS),
}


@functools.cache
def program(*names: str) -> typer.Typer:
    """The program with these commands, or with all."""
    app = typer.Typer(
        name="litepose-edge",
        help="2-D human pose on CPUs without a GPU.",
        epilog=examples(
            "litepose-edge predict photo.jpg --save drawn.jpg",
            "litepose-edge predict clip.mp4 --save out.mp4",
            "litepose-edge --install-completion   # Tab completes commands and options",
        ),
        cls=GroupedCommands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_program)
    for name in names or COMMANDS:
        where, function, group = COMMANDS[name]
        module = import_module(f"litepose_edge.cli.{where}")
        app.command(
            name, cls=GroupedCommand, epilog=examples(*module.EXAMPLES), rich_help_panel=group
        )(getattr(module, function))
    return app


def __getattr__(name: str) -> Any:
    """`app`: the program with all commands."""
    if name == "app":
        return program()
    raise AttributeError(name)


def _print_version(wanted: bool) -> None:
    if wanted:
        results.print(f"litepose-edge {litepose_edge.__version__}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """2-D human pose on CPUs without a GPU."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code.

    0 all went well, 1 some inputs failed, 2 usage, 3 model or backend, 130 interrupted.
    """
    if list(arguments[:2]) == ["bench", "compare"]:
        arguments = ["bench-compare", *arguments[2:]]
    called = [name for name in arguments[:1] if name in COMMANDS]
    return run_command(
        program(*called),
        _with_json_file(arguments),
        print_error,
        renamed_options=RENAMED_OPTIONS,
    )


def _with_json_file(arguments: Sequence[str]) -> list[str]:
    """`--json out.jsonl` means `--json-file out.jsonl`; `--json` alone prints."""
    spelled = list(arguments)
    for i, (option, value) in enumerate(itertools.pairwise(arguments)):
        if option == "--json" and value.endswith((".json", ".jsonl")):
            spelled[i] = "--json-file"
    return spelled
