"""Puts the commands together and turns errors into exit codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from litepose_edge.cli import adopt, bench, demo, doctor, evaluate, info, predict
from litepose_edge.cli.console import make_app, print_error, run_command

RENAMED_OPTIONS = {"--style": "--output-format"}

app = make_app("litepose-edge", "2-D human pose on CPUs without a GPU.")
app.command("demo", epilog=f"Example: {demo.EXAMPLE}")(demo.demo)
app.command("predict", epilog=f"Example: {predict.EXAMPLE}")(predict.predict)
app.command("bench", epilog=f"Example: {bench.EXAMPLE}")(bench.bench)
app.command("eval", epilog=f"Example: {evaluate.EXAMPLE}")(evaluate.evaluate)
app.command("info", epilog=f"Example: {info.EXAMPLE}")(info.info)
app.command("doctor", epilog=f"Example: {doctor.EXAMPLE}")(doctor.doctor)
app.command("adopt", epilog=f"Example: {adopt.EXAMPLE}")(adopt.adopt)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code.

    0 all went well, 1 some inputs failed, 2 usage, 3 model or backend, 130 interrupted.
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
