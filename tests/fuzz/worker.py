"""One process that runs inputs of one class, one after the other, within limits.

python -m tests.fuzz.worker CLASS SEED FIRST STEP [FILE]

It writes a line of JSON when it begins an input and one when it is done, so that whoever reads
them knows which input a crash or a hang belongs to. With FILE it runs that one alone.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
import zlib
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import kinds
from tests.fuzz.judge import Verdict, judge

# Beyond what the process has after the first sound input.
ADDRESS_SPACE_MB, RESIDENT_MB = 2048, 600


def input_of(kind: kinds.InputClass, name: str, seed: int, index: int, sound: list[bytes]) -> bytes:
    """The input of a number: the seeds come first, what follows depends on these numbers alone."""
    if index < len(sound):
        return sound[index]
    return kind.mutate(np.random.default_rng([seed, zlib.crc32(name.encode()), index]), sound)


def main() -> None:
    """Run inputs until it is stopped."""
    name, seed, first, step = sys.argv[1], *map(int, sys.argv[2:5])
    report = _own_stdout()
    warnings.simplefilter("ignore")
    kind = kinds.load(name)
    with tempfile.TemporaryDirectory(prefix="litepose-fuzz-") as folder:
        path = Path(folder) / f"input{kind.suffix}"
        if len(sys.argv) > 5:
            path.write_bytes(Path(sys.argv[5]).read_bytes())
            _limit_memory()
            _run(report, kind, path, 0, sound=False, base_mb=peak_mb())
            return
        sound = kind.seeds()
        path.write_bytes(sound[0])
        _tell(report, begin=-1)
        judge(kind, path, sound=True)  # loads what is loaded once
        _limit_memory()
        before = peak_mb()
        for index in count(first, step):
            path.write_bytes(input_of(kind, name, seed, index, sound))
            if not _run(report, kind, path, index, sound=index < len(sound), base_mb=before):
                return  # its peak stays what it is: another process goes on


def _run(
    report: int, kind: kinds.InputClass, path: Path, index: int, *, sound: bool, base_mb: float
) -> bool:
    """Run one input and report it; False where it needed too much memory."""
    _tell(report, begin=index)
    verdict = judge(kind, path, sound=sound)
    grown_mb = peak_mb() - base_mb
    if grown_mb > RESIDENT_MB:
        verdict = Verdict("memory", f"needed {grown_mb:.0f} MB")
    _tell(report, end=index, outcome=verdict.outcome, text=verdict.text)
    return grown_mb <= RESIDENT_MB


def _tell(report: int, **fields: Any) -> None:
    os.write(report, json.dumps(fields).encode() + b"\n")


def _own_stdout() -> int:
    """The pipe to whoever started this; what libraries print goes to standard error instead."""
    report = os.dup(1)
    os.dup2(2, 1)
    return report


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    if sys.platform == "linux":
        now = _status_mb("VmSize")
        bytes_ = int((now + ADDRESS_SPACE_MB) * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def peak_mb() -> float:
    """The most memory this process has had in RAM; 0 where the system does not say."""
    return _status_mb("VmHWM")


def _status_mb(field: str) -> float:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
