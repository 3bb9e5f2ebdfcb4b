"""Runs every configuration in processes of its own, in turn, the first one twice as A/A."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from litepose_edge.measure.bench.runs.configuration import Configuration, MeasurementPlan, WorkerJob
from litepose_edge.measure.bench.runs.worker import Outcome

WORKER = "litepose_edge.measure.bench.runs.worker"
# Beyond the planned time: imports, loading, stages, on a slow board.
EXTRA_S = 300.0
SLACK = 10.0


@dataclass(frozen=True, slots=True)
class ConfigurationRuns:
    """A configuration's runs.

    Attributes:
        configuration: What was run.
        outcomes: One a repeat, in order of time.
        energy: The run that measured energy; None where it was not asked for.
    """

    configuration: Configuration
    outcomes: list[Outcome]
    energy: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Runs:
    """Everything that was run.

    Attributes:
        measured: One a configuration, in the order given.
        baseline_again: The first configuration a second time: the other half of the A/A pair.
    """

    measured: list[ConfigurationRuns]
    baseline_again: ConfigurationRuns


def run_all(
    configurations: Sequence[Configuration],
    plan: MeasurementPlan,
    progress: Callable[[str], None] = lambda label: None,
    *,
    seed: int = 0,
) -> Runs:
    """Measure configurations in interleaved repeats.

    Args:
        configurations: At least one; the first is the baseline.
        plan: How long and how often.
        progress: Called with a label before each process, `count_runs` times in all.
        seed: Of the order within each round.
    """
    measured = [ConfigurationRuns(configuration, []) for configuration in configurations]
    baseline_again = ConfigurationRuns(configurations[0], [])
    order = random.Random(seed)
    interleaved = [*measured, baseline_again]
    for _ in range(plan.repeats):
        # No configuration is always the first, or always after the same one.
        for runs in order.sample(interleaved, len(interleaved)):
            progress(runs.configuration.label)
            runs.outcomes.append(run_one(runs.configuration, plan))
    if plan.energy_repeats:
        measured = [_with_energy(runs, plan, progress) for runs in measured]
    return Runs(measured, baseline_again)


def count_runs(configurations: Sequence[Configuration], plan: MeasurementPlan) -> int:
    """How many processes `run_all` starts."""
    return plan.repeats * (len(configurations) + 1) + bool(plan.energy_repeats) * len(
        configurations
    )


def run_one(
    configuration: Configuration, plan: MeasurementPlan, task: Literal["time", "energy"] = "time"
) -> Outcome:
    """One process; whatever goes wrong in it becomes the outcome's error."""
    with tempfile.TemporaryDirectory(prefix="litepose-bench-") as folder:
        job_path, result_path = Path(folder) / "job.json", Path(folder) / "result.json"
        job = WorkerJob(
            configuration=configuration, plan=plan, spawned_ns=time.time_ns(), task=task
        )
        job_path.write_bytes(msgspec.json.encode(job))
        try:
            done = subprocess.run(
                [sys.executable, "-m", WORKER, str(job_path), str(result_path)],
                capture_output=True,
                text=True,
                timeout=_patience_s(plan, task),
            )
        except subprocess.TimeoutExpired as exc:
            return Outcome(error=f"the process was not done after {exc.timeout:.0f} s")
        if not result_path.exists():
            lines = done.stderr.strip().splitlines()
            last = lines[-1] if lines else "without a message"
            return Outcome(error=f"the process ended with code {done.returncode}: {last}")
        return msgspec.json.decode(result_path.read_bytes(), type=Outcome)


def _with_energy(
    runs: ConfigurationRuns, plan: MeasurementPlan, progress: Callable[[str], None]
) -> ConfigurationRuns:
    progress(f"{runs.configuration.label}: energy")
    return ConfigurationRuns(
        runs.configuration, runs.outcomes, run_one(runs.configuration, plan, "energy")
    )


def _patience_s(plan: MeasurementPlan, task: str) -> float:
    planned = plan.warmup_s + plan.seconds
    if task == "energy":
        planned = plan.warmup_s + plan.energy_repeats * (plan.energy_s + plan.idle_s) + plan.idle_s
    return EXTRA_S + SLACK * planned
