"""Whether the inference engines work on this machine, tried in processes of their own.

An engine built for newer processors ends the process that imports it with an illegal instruction,
and one that hangs is given up after a time limit.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from litepose_edge.backends import Backend
from litepose_edge.measure.doctor.examination import Findings

WORKER = "litepose_edge.measure.doctor.examination"
ENGINES: tuple[Backend, ...] = ("onnxruntime", "openvino")
# A slow board takes half a minute to import and compile.
PATIENCE_S = 120.0
# What Windows calls an illegal instruction.
ILLEGAL_INSTRUCTION = 0xC000001D


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """One inference engine.

    Attributes:
        name: `"onnxruntime"` or `"openvino"`.
        state: Whether it can be used.
        trouble: Why not; None where it works or is not installed.
        findings: What it did; None unless it works.
    """

    name: str
    state: Literal["works", "not installed", "fails"]
    trouble: str | None = None
    findings: Findings | None = None


def examine_apart(engine: Backend, patience_s: float = PATIENCE_S) -> EngineReport:
    """Examine an engine in another process; also a crash there becomes an answer."""
    if importlib.util.find_spec(engine) is None:
        return EngineReport(name=engine, state="not installed")
    with tempfile.TemporaryDirectory(prefix="litepose-doctor-") as folder:
        result = Path(folder) / "findings.json"
        try:
            done = subprocess.run(
                [sys.executable or "python3", "-m", WORKER, engine, str(result)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=patience_s,
                # The same packages as here, however this process came to find them.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )
        except subprocess.TimeoutExpired:
            return _fails(engine, f"gave no answer within {patience_s:g} s")
        except OSError as exc:
            return _fails(engine, f"a process to examine it could not be started: {exc.strerror}")
        if done.returncode != 0:
            return _fails(engine, _exit_message(done.returncode, done.stderr))
        findings = msgspec.json.decode(result.read_bytes(), type=Findings)
    return EngineReport(name=engine, state="works", findings=findings)


def _fails(engine: str, trouble: str) -> EngineReport:
    return EngineReport(name=engine, state="fails", trouble=trouble)


def _exit_message(code: int, stderr: str) -> str:
    """How a process ended, in words."""
    if code & 0xFFFFFFFF == ILLEGAL_INSTRUCTION:
        return "killed by an illegal instruction: it was built for another processor"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        built = ": it was built for another processor" if name == "SIGILL" else ""
        return f"killed by {name}{built}"
    lines = stderr.strip().splitlines()
    return lines[-1] if lines else f"ended with code {code} and without a message"
