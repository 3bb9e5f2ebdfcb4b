"""Measurements in processes of their own, each bound to so many CPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.paths import ROOT

CAN_BIND = hasattr(os, "sched_setaffinity")


def usable_cpus() -> int:
    """How many CPUs this process may use; 1 where the system does not say."""
    return len(os.sched_getaffinity(0)) if CAN_BIND else 1


def bind(cpus: int) -> None:
    """Keep this process on the first CPUs it may use, where the system can do that."""
    if CAN_BIND:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])


def run_bound(module: str, arguments: Sequence[str], cpus: int) -> Any:
    """Run `python -m MODULE ARGUMENTS --result FILE` bound to so many CPUs.

    Args:
        module: Of this checkout; writes JSON to the file.
        arguments: Those before `--result`.
        cpus: How many the process may use; all where the system cannot bind.

    Returns:
        What the file holds.
    """
    with tempfile.TemporaryDirectory(prefix="litepose-benchmark-") as folder:
        result = Path(folder) / "result.json"
        subprocess.run(
            [sys.executable, "-m", module, *arguments, "--result", str(result)],
            check=True,
            cwd=ROOT,
            preexec_fn=partial(bind, cpus) if CAN_BIND else None,
        )
        return json.loads(result.read_text())
