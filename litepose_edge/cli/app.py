"""Puts the commands together and turns errors into exit codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated

import typer

import litepose_edge
from litepose_edge.cli import adopt, bench, demo, doctor, evaluate, info
from litepose_edge.cli.console import print_error, results, run_command
from litepose_edge.cli.help import GroupedCommand, GroupedCommands, examples
from litepose_edge.cli.predict import command as predict

RENAMED_OPTIONS = {"--style": "--output-format"}
PEOPLE, MEASURE, MODELS = "People in images and films", "Measurements", "Models"

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
for name, command, its_examples, group in (
    ("demo", demo.demo, (demo.EXAMPLE,), PEOPLE),
    ("predict", predict.predict, predict.EXAMPLES, PEOPLE),
    ("bench", bench.bench, (bench.EXAMPLE,), MEASURE),
    ("eval", evaluate.evaluate, (evaluate.EXAMPLE,), MEASURE),
    ("doctor", doctor.doctor, (doctor.EXAMPLE,), MEASURE),
    ("info", info.info, (info.EXAMPLE,), MODELS),
    ("adopt", adopt.adopt, (adopt.EXAMPLE,), MODELS),
):
    app.command(
        name, cls=GroupedCommand, epilog=examples(*its_examples), rich_help_panel=group
    )(command)  # fmt: skip


def _print_version(wanted: bool) -> None:
    if wanted:
        results.print(f"litepose-edge {litepose_edge.__version__}")
        raise typer.Exit


@app.callback()
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

    0 all went well, 1 some inputs failed, 2 usage, 3 model or backend, 130 interrupted, 143 ended
    by SIGTERM.
    """
    return run_command(
        app, _with_json_file(arguments), print_error, renamed_options=RENAMED_OPTIONS
    )


def _with_json_file(arguments: Sequence[str]) -> list[str]:
    """`--json out.jsonl` means `--json-file out.jsonl`; `--json` alone prints."""
    spelled = list(arguments)
    for i, (option, value) in enumerate(itertools.pairwise(arguments)):
        if option == "--json" and value.endswith((".json", ".jsonl")):
            spelled[i] = "--json-file"
    return spelled
