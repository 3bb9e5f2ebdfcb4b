"""One fault or public report each: a script of its own that exits 0 where the fault is not.

They are kept as they came, with imports, options and field names brought up to date; `common.py`
and `net_of_others.py` are what they share.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# What needs more than a quick test has: the superuser's small file system, or seconds.
NEEDS_ROOT = ("fault01", "fault02", "fault04", "fault17")
SLOW = (
    "fault18",
    "report10",
    "report04",
    "report23",
    "fault23",
    "report06",
    "report07",
    "report08",
    "report22",
)
SCRIPTS = sorted([*HERE.glob("faults/*.py"), *HERE.glob("reports/*.py")])


def _case(path: Path) -> object:
    name = path.stem.partition("_")[0]
    slow = [pytest.mark.slow] if name in NEEDS_ROOT + SLOW else []
    return pytest.param(path, id=path.stem, marks=slow)


@pytest.mark.export
@pytest.mark.parametrize("script", [_case(path) for path in SCRIPTS])
def test_the_fault_is_not_there(script, tmp_path):
    pytest.importorskip("skimage")
    if script.name.startswith(NEEDS_ROOT) and getattr(os, "geteuid", lambda: 1)() != 0:
        pytest.skip("mounts a small file system, which needs the superuser")
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "CASES_DIR": str(tmp_path), "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
