"""Counts instructions of ONNX files on an ARM processor: for `litepose-export search --counter`.

    python -m benchmarks.arm.count_files --processor cortex-a72 FOLDER

Prints a JSON object: instructions of one run of each file of the folder, by the file's name.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.arm.boards import PROCESSORS
from benchmarks.arm.emulator import CannotCountError, Machine
from benchmarks.arm.networks import Network
from benchmarks.paths import ROOT

CANNOT = 3


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Folder of ONNX files with fixed shapes.")
    parser.add_argument(
        "--processor",
        choices=[processor.option.split(",")[0] for processor in PROCESSORS],
        required=True,
        help="Of the emulator.",
    )
    parser.add_argument(
        "--machine", type=Path, default=ROOT / ".venv-arm", help="Emulated machine."
    )
    options = parser.parse_args()
    option = next(p.option for p in PROCESSORS if p.option.split(",")[0] == options.processor)
    files = sorted(options.folder.glob("*.onnx"))
    networks = [Network(file.stem, "", "graph", str(file.resolve()), "") for file in files]
    try:
        counts = Machine(options.machine).count(option, networks)
    except CannotCountError as exc:
        print(f"cannot count instructions: {exc}", file=sys.stderr)
        return CANNOT
    found = {file.name: each.network for file, each in zip(files, counts, strict=True)}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
