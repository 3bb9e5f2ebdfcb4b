"""Puts the commands together and turns errors into exit codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import typer

from litepose_edge.cli import adopt, bench, demo, doctor, evaluate, info, predict
from litepose_edge.cli.console import complain, run_command

RENAMED_OPTIONS = {"--style": "--output-format"}

app = typer.Typer(
    name="litepose-edge",
    help="2-D human pose on CPUs without a GPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("predict")(predict.predict)
app.command("bench")(bench.bench)
app.command("eval")(evaluate.evaluate)
app.command("info")(info.info)
app.command("doctor")(doctor.doctor)
app.command("adopt")(adopt.adopt)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code.

    0 all went well, 1 some inputs failed, 2 usage, 3 model or backend, 130 interrupted.
    """
    return run_command(app, _with_json_file(arguments), complain, renamed_options=RENAMED_OPTIONS)


def _with_json_file(arguments: Sequence[str]) -> list[str]:
    """`--json out.jsonl` means `--json-file out.jsonl`; `--json` alone prints."""
    spelled = list(arguments)
    for i, (option, value) in enumerate(itertools.pairwise(arguments)):
        if option == "--json" and value.endswith((".json", ".jsonl")):
            spelled[i] = "--json-file"
    return spelled
