"""Instructions a frame on ARM processors, under emulation: remakes docs/arm-instructions.*.

    python -m benchmarks.arm.instructions [--only NAME ...] [--pipelines | --all] [--check]

Counts what is not in the table yet: networks whose graphs have changed, or everything once a
version has. New weights of the same graph change nothing (`networks.structure_of`). After a change
of cropping or decoding --pipelines counts what has them anew. With --check nothing is counted:
exit code 1 says that the table is older than a released file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.arm.boards import PROCESSORS
from benchmarks.arm.emulator import CannotCountError, Machine
from benchmarks.arm.networks import Kind, Network, peers, released_networks
from benchmarks.arm.page import to_markdown
from benchmarks.paths import ROOT
from litepose_edge.atomic_files import write_files

SCHEMA = 1
NAME = "arm-instructions"
KEY = ("processor", "name", "precision", "structure")
CANNOT = 3
PIPELINES: frozenset[Kind] = frozenset({"pose", "detector"})
EVERYTHING: frozenset[Kind] = PIPELINES | {"network"}

Report = dict[str, Any]
Row = dict[str, Any]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="Folder of the table.")
    parser.add_argument(
        "--machine", type=Path, default=ROOT / ".venv-arm", help="Emulated machine."
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="Count these networks alone.")
    anew = parser.add_mutually_exclusive_group()
    anew.add_argument(
        "--pipelines", dest="anew", action="store_const", const=PIPELINES, default=frozenset(),
        help="Count those with crop and decoding anew.",
    )  # fmt: skip
    anew.add_argument(
        "--all", dest="anew", action="store_const", const=EVERYTHING, help="Count everything anew."
    )
    parser.add_argument("--check", action="store_true", help="Only say whether the table is old.")
    options = parser.parse_args()
    if options.check:
        old = outdated(read(options.out), released_networks())
        for each in old:
            print(f"docs/{NAME}.json is older than {each}: run make arm-instructions")
        return 1 if old else 0
    try:
        only = None if options.only is None else frozenset(options.only)
        remake(options.out, options.machine, only=only, anew=options.anew)
    except CannotCountError as exc:
        print(f"cannot count instructions: {exc}", file=sys.stderr)
        return CANNOT
    return 0


def remake(
    out: Path,
    folder: Path,
    *,
    only: frozenset[str] | None = None,
    anew: frozenset[Kind] = frozenset(),
) -> None:
    """Count what is missing and write the table, after each processor.

    Args:
        out: Folder of the table.
        folder: Of the emulated machine.
        only: Names of the networks to count; None for all.
        anew: Kinds of networks to count even where their counts are there.

    Raises:
        CannotCountError: The machine cannot be had, or a run failed.
    """
    machine = Machine(folder)
    from benchmarks.arm.peer_files import write_peer_files  # loads PyTorch

    write_peer_files(folder / "peers")
    networks = [*released_networks(), *peers(folder / "peers")]
    report = read(out)
    if report["versions"] != machine.versions:
        report = {**report, "rows": []}  # counts of other versions are not for one table
    report = {**report, "commit": _commit(), "versions": machine.versions}
    for processor in PROCESSORS:
        there = {_key(row): row for row in report["rows"] if row["processor"] == processor.name}
        missing = [
            network
            for network in networks
            if (only is None or network.name in only)
            and (network.kind in anew or _row_key(processor.name, network) not in there)
        ]
        if missing:
            print(f"{processor.name}: counting {len(missing)} files", flush=True)
            counts = machine.count(processor.option, missing)
            for network, counted in zip(missing, counts, strict=True):
                row = {"processor": processor.name, **_described(network), **asdict(counted)}
                there[_key(row)] = row
        rows = [row for row in report["rows"] if row["processor"] != processor.name]
        keys = [_row_key(processor.name, network) for network in networks]
        rows += [there[key] for key in keys if key in there]
        report["rows"] = rows
        write(out, report)


def outdated(report: Report, networks: list[Network]) -> list[str]:
    """What the table lacks of these networks, a line each."""
    there = {_key(row) for row in report["rows"]}
    return [
        f"{network.name} in {network.precision} on {processor.name}"
        for processor in PROCESSORS
        for network in networks
        if _row_key(processor.name, network) not in there
    ]


def read(folder: Path) -> Report:
    """The table in a folder; an empty one where there is none."""
    path = folder / f"{NAME}.json"
    if not path.exists():
        return {"schema": SCHEMA, "commit": "", "versions": {}, "rows": []}
    report: Report = json.loads(path.read_text("utf-8"))
    return report


def write(folder: Path, report: Report) -> None:
    """Write the table as JSON and as a page."""
    text = json.dumps(report, indent=1) + "\n"
    write_files(
        {
            folder / f"{NAME}.json": text.encode(),
            folder / f"{NAME}.md": to_markdown(report).encode(),
        }
    )


def _described(network: Network) -> dict[str, str]:
    return {
        "name": network.name,
        "precision": network.precision,
        "structure": network.structure,
    }


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[part] for part in KEY)


def _row_key(processor: str, network: Network) -> tuple[str, ...]:
    return (processor, network.name, network.precision, network.structure)


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
