"""The performance budget: every row measured by its own command, all of them in one table.

    python -m benchmarks.budget.budget [--only dark ...] [--strict] [--shared DIR] [--json FILE]

Exit code 1 if a command broke; a missed bar fails only with `--strict`. Rows that need what is
not here (photographs, clips, rtmlib, a second CPU) say so and fail nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.budget.bars import NAME_WIDTH, Bar, read
from benchmarks.paths import ROOT, SHARED

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Command:
    """A benchmark that measures rows of the budget.

    Attributes:
        name: The file's stem.
        arguments: What follows it.
        folder: Where it lies.
    """

    name: str
    arguments: tuple[str, ...] = ()
    folder: Path = FOLDER


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command.

    Attributes:
        command: Which.
        bars: Its rows; empty where it broke.
        error: How it broke; None where it did not.
    """

    command: Command
    bars: list[Bar]
    error: str | None = None


def commands(shared: Path) -> list[Command]:
    """All rows' commands, with the photographs, clips and networks under `shared`."""
    videos = shared / "data" / "videos"
    yolox = shared / "peers" / "detect" / "yolox_nano_416.onnx"
    clip = videos / "one-by-one-person-detection.mp4"
    return [
        Command("versus_rtmlib"),
        Command("limits"),
        Command("dark"),
        Command("grouping"),
        Command("startup"),
        Command("int8_shift", (str(shared / "data" / "coco" / "dev.json"),)),
        Command("video", (str(clip), "--yolox", str(yolox))),
    ]


def main() -> None:
    """Run the commands one after another, print the table, exit by it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these commands alone")
    parser.add_argument("--strict", action="store_true", help="fail where a bar is missed")
    parser.add_argument("--shared", type=Path, default=SHARED, help="photographs, clips, networks")
    parser.add_argument("--json", type=Path, help="write the table here as well")
    options = parser.parse_args()
    chosen = commands(options.shared)
    if options.only:
        known = {command.name for command in chosen}
        if unknown := set(options.only) - known:
            there = ", ".join(sorted(known))
            parser.error(f"no command {', '.join(sorted(unknown))}; there are {there}")
        chosen = [command for command in chosen if command.name in options.only]
    outcomes = [run(command) for command in chosen]
    print_table(outcomes)
    if options.json:
        rows = [asdict(bar) for outcome in outcomes for bar in outcome.bars]
        broken = {o.command.name: o.error for o in outcomes if o.error}
        document = {"bars": rows, "broken": broken}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    sys.exit(exit_code(outcomes, strict=options.strict))


def run(command: Command) -> Outcome:
    """One command, its own output passed on."""
    began = time.monotonic()
    print(f"== {command.name} {' '.join(command.arguments)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="litepose-budget-") as folder:
        target = Path(folder) / "report.json"
        file = command.folder / f"{command.name}.py"
        done = subprocess.run(
            [sys.executable, str(file), *command.arguments, "--json", str(target)],
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        print(f"-- {time.monotonic() - began:.0f} s", flush=True)
        if done.returncode:
            return Outcome(command, [], f"ended with code {done.returncode}")
        if not target.exists():
            return Outcome(command, [], "wrote no report")
        return Outcome(command, read(target))


def print_table(outcomes: Sequence[Outcome]) -> None:
    """All rows, what broke, and how many are reached."""
    print(f"\n{'performance budget':{NAME_WIDTH}}{'figure':>8}  {'bar':15}verdict")
    for outcome in outcomes:
        for bar in outcome.bars:
            print(bar.line())
        if outcome.error:
            print(f"{outcome.command.name:{NAME_WIDTH}}{'-':>8}  {'':15}BROKEN: {outcome.error}")
    found = [bar for outcome in outcomes for bar in outcome.bars]
    missed = sum(bar.is_missed for bar in found)
    unmeasured = sum(bar.figure is None for bar in found)
    print(
        f"{len(found) - missed - unmeasured} reached, {missed} not reached, "
        f"{unmeasured} without data, {sum(o.error is not None for o in outcomes)} commands broken"
    )


def exit_code(outcomes: Sequence[Outcome], *, strict: bool) -> int:
    """1 where a command broke, or when strict a bar was missed."""
    broken = any(outcome.error for outcome in outcomes)
    missed = any(bar.is_missed for outcome in outcomes for bar in outcome.bars)
    return int(broken or (strict and missed))


if __name__ == "__main__":
    main()
