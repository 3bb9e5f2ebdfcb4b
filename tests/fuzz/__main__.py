"""Mutated inputs of every class, each within limits: nothing may crash, hang or answer wrongly.

python -m tests.fuzz [--minutes 1] [--only images,boxes] [--without videos] [--seed 1]
python -m tests.fuzz --only images --replay build/fuzz/images/untyped-1-42/input.img

Prints a table and leaves a reproduction of each finding; exit code 1 where something was found.
The same seed makes the same inputs in the same order, whatever the machine; the time decides how
many of them are run.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz import kinds
from tests.fuzz.findings import Findings
from tests.fuzz.judge import FAULTS, ROOT
from tests.fuzz.pool import Pool


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for.

    Returns:
        1 where something was found, else 0.
    """
    options = _parser().parse_args(arguments)
    names = options.only or [name for name in kinds.names() if name not in options.without]
    if options.replay is not None:
        return _replay(names, options.replay)
    findings = Findings(options.out, options.seed)
    seconds = options.minutes * 60 / len(names)
    for name in names:
        findings.begin(name)
        pool = Pool(name, options.seed, options.workers, kinds.load(name).time_limit_s)
        for index, verdict in pool.verdicts(time.monotonic() + seconds, options.inputs):
            written = findings.add(name, index, verdict)
            if written is not None:
                print(f"{name} {index}: {verdict.outcome}: {_last_line(verdict.text)}\n  {written}")
    print(findings.table(), flush=True)
    return int(findings.faults > 0)


def _replay(names: list[str], file: Path) -> int:
    if len(names) != 1:
        raise SystemExit("--replay needs --only with the class of the file")
    kind = kinds.load(names[0])
    pool = Pool(names[0], 0, 1, kind.time_limit_s, replay=file)
    ((_, verdict),) = pool.verdicts(time.monotonic() + 3600, 1)
    print(f"{verdict.outcome}\n{verdict.text}".strip())
    return int(verdict.outcome in FAULTS)


def _last_line(text: str) -> str:
    return (text.splitlines() or [""])[-1][:200]


def _classes(text: str) -> list[str]:
    chosen = [name for name in text.split(",") if name]
    unknown = [name for name in chosen if "." not in name and name not in kinds.names()]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no class {unknown[0]!r}; there are {', '.join(kinds.names())}"
        )
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="shared by the classes")
    parser.add_argument("--inputs", type=int, default=sys.maxsize, help="at most so many a class")
    parser.add_argument("--only", type=_classes, default=[], help="classes, separated by commas")
    parser.add_argument("--without", type=_classes, default=[], help="classes to leave out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes at once")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--replay", type=Path, help="run this file of one class again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
