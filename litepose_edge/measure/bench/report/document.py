"""The report of one benchmark: every figure in one document, schema 1, from which all is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from litepose_edge.errors import SourceError
from litepose_edge.measure.bench.report.noise import Comparison, Floor, compare, noise_floor
from litepose_edge.measure.bench.runs.configuration import Configuration, Plan
from litepose_edge.measure.bench.runs.digest import Shift, shift
from litepose_edge.measure.bench.runs.figures import Summary, summarize
from litepose_edge.measure.bench.runs.pipeline import Keypoints
from litepose_edge.measure.bench.runs.runner import Arm, Runs
from litepose_edge.measure.bench.runs.worker import Outcome
from litepose_edge.measure.energy import EnergyFigures
from litepose_edge.measure.machine.description import Machine
from litepose_edge.measure.machine.state import State, warnings

SCHEMA: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdFigures:
    """Means over the processes, in milliseconds.

    Attributes:
        start_ms: Start of the interpreter and imports.
        load_ms: Opening the networks.
        first_ms: The first frame.
    """

    start_ms: float
    load_ms: float
    first_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One configuration's figures over all its processes; times in milliseconds.

    Attributes:
        configuration: What was run.
        label: What tables call it.
        is_baseline: Whether the others with as many people are compared with it.
        error: Why there are no figures; None where there are.
        frame_ms: Every measured frame, from its start to its keypoints.
        repeats_ms: Each process's median frame.
        cpu_ms_per_frame: User and system time of all threads, gaps between frames included.
        user_ms_per_frame: Its user part.
        system_ms_per_frame: Its system part.
        repeats_cpu_ms: Each process's CPU time a frame.
        fps: Frames a second while measured.
        deadline_misses: Frames not done when the next was due; None where nothing is due.
        cold: The way to the first keypoints.
        stages: Where a frame's time goes: the first process's, one crop after the other.
        rss_mb: Memory after the frames, mean.
        peak_rss_mb: The most in any process.
        checksum: Of the keypoints, every bit; None where the processes did not agree.
        shift: Distance of the keypoints from the reference's.
        frame_comparison: Of the median frame with the baseline.
        cpu_comparison: Of the CPU time with the baseline.
        energy: None where it was not asked for.
    """

    configuration: Configuration
    label: str
    is_baseline: bool = False
    error: str | None = None
    frame_ms: Summary | None = None
    repeats_ms: tuple[float, ...] = ()
    cpu_ms_per_frame: float | None = None
    user_ms_per_frame: float | None = None
    system_ms_per_frame: float | None = None
    repeats_cpu_ms: tuple[float, ...] = ()
    fps: float | None = None
    deadline_misses: int | None = None
    cold: ColdFigures | None = None
    stages: dict[str, Summary] | None = None
    rss_mb: float | None = None
    peak_rss_mb: float | None = None
    checksum: str | None = None
    shift: Shift | None = None
    frame_comparison: Comparison | None = None
    cpu_comparison: Comparison | None = None
    energy: EnergyFigures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What the machine's own noise was in this run.

    Attributes:
        frame: Of the median frame.
        cpu: Of the CPU time a frame.
        label: The configuration that was run twice.
    """

    frame: Floor
    cpu: Floor
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A benchmark; the first result with as many people is a result's baseline.

    Attributes:
        schema: Version of this structure.
        created: When it began, ISO 8601 in UTC.
        command: What was typed.
        plan: How long and how often.
        machine: What does not change.
        before: The machine's state before.
        after: The machine's state after.
        warnings: What makes the figures doubtful.
        noise: The floor; None where the baseline could not be measured twice or more.
        results: One a configuration.
    """

    schema: Literal[1]
    created: str
    command: str
    plan: Plan
    machine: Machine
    before: State
    after: State
    warnings: list[str]
    noise: Noise | None
    results: list[Result]


def make_report(
    runs: Runs,
    plan: Plan,
    machine: Machine,
    states: tuple[State, State],
    *,
    began: datetime,
    command: str = "",
) -> Report:
    """Put together what was run.

    Args:
        runs: All processes' outcomes.
        plan: How long and how often.
        machine: What does not change.
        states: Before and after.
        began: When.
        command: What was typed.
    """
    noise = _noise(runs)
    results = []
    for arm in runs.arms:
        # Five people take longer than one: only what does the same is compared.
        alike = [a for a in runs.arms if _work(a.configuration) == _work(arm.configuration)]
        results.append(_result(arm, alike[0], _reference(alike), noise))
    return Report(
        schema=SCHEMA,
        created=began.astimezone(UTC).isoformat(timespec="seconds"),
        command=command,
        plan=plan,
        machine=machine,
        before=states[0],
        after=states[1],
        warnings=warnings(machine, *states),
        noise=noise,
        results=results,
    )


def to_json(report: Report) -> bytes:
    """The document; readable, the same bytes for the same report."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def read_report(path: Path) -> Report:
    """Read a document again.

    Raises:
        SourceError: It is missing, or no report of schema 1.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as exc:
        raise SourceError(f"cannot read report {path}: {exc.strerror}") from exc
    except msgspec.DecodeError as exc:
        raise SourceError(f"{path} is no benchmark report of schema {SCHEMA}: {exc}") from exc


def json_schema() -> dict[str, Any]:
    """JSON Schema of the document."""
    return msgspec.json.schema(Report)


def _good(arm: Arm) -> list[Outcome]:
    return [outcome for outcome in arm.outcomes if outcome.timing is not None]


def _medians(arm: Arm) -> list[float]:
    return [float(np.median(o.timing.frame_ms)) for o in _good(arm) if o.timing is not None]


def _cpu(arm: Arm) -> list[float]:
    return [o.timing.cpu_ms_per_frame for o in _good(arm) if o.timing is not None]


def _noise(runs: Runs) -> Noise | None:
    first, again = runs.arms[0], runs.again
    if min(len(_good(first)), len(_good(again))) < 2:
        return None
    return Noise(
        frame=noise_floor(_medians(first), _medians(again)),
        cpu=noise_floor(_cpu(first), _cpu(again)),
        label=first.configuration.label,
    )


def _work(configuration: Configuration) -> tuple[object, ...]:
    return configuration.source, configuration.people, configuration.mode, configuration.fps


def _reference(arms: list[Arm]) -> Arm:
    """Whose keypoints the others' are compared with: FP32 if it was run, else the baseline."""
    exact = [a for a in arms if a.configuration.precision == "fp32" and _good(a)]
    plain = [a for a in exact if a.configuration.engine == "onnxruntime"]
    return [*plain, *exact, *arms][0]


def _result(arm: Arm, baseline: Arm, reference: Arm, noise: Noise | None) -> Result:
    configuration, good = arm.configuration, _good(arm)
    failed = next((o.error for o in arm.outcomes if o.error is not None), None)
    if not good or failed is not None:
        return Result(configuration=configuration, label=configuration.label, error=failed)
    timings = [o.timing for o in good if o.timing is not None]
    colds = [o.cold for o in good if o.cold is not None]
    frames = sum(len(t.frame_ms) for t in timings)
    misses = [t.missed for t in timings if t.missed is not None]
    sums = {o.checksum for o in good}
    medians, cpu = _medians(arm), _cpu(arm)
    compared = (
        noise is not None and arm is not baseline and min(len(good), len(_good(baseline))) > 1
    )
    return Result(
        configuration=configuration,
        label=configuration.label,
        is_baseline=arm is baseline,
        frame_ms=summarize([ms for t in timings for ms in t.frame_ms]),
        repeats_ms=_rounded(medians),
        cpu_ms_per_frame=round(sum(t.user_ms + t.system_ms for t in timings) / frames, 4),
        user_ms_per_frame=round(sum(t.user_ms for t in timings) / frames, 4),
        system_ms_per_frame=round(sum(t.system_ms for t in timings) / frames, 4),
        repeats_cpu_ms=_rounded(cpu),
        fps=round(1000 * frames / sum(t.wall_ms for t in timings), 2),
        deadline_misses=sum(misses) if misses else None,
        cold=ColdFigures(
            start_ms=_mean([c.start_ms for c in colds]),
            load_ms=_mean([c.load_ms for c in colds]),
            first_ms=_mean([c.first_ms for c in colds]),
        ),
        stages=good[0].stages,
        rss_mb=_mean([o.rss_mb for o in good if o.rss_mb is not None]) or None,
        peak_rss_mb=max((round(o.peak_rss_mb, 1) for o in good if o.peak_rss_mb), default=None),
        checksum=sums.pop() if len(sums) == 1 else None,
        shift=_shift(good, reference, arm),
        frame_comparison=(
            compare(_medians(baseline), medians, noise.frame) if compared and noise else None
        ),
        cpu_comparison=compare(_cpu(baseline), cpu, noise.cpu) if compared and noise else None,
        energy=_energy(arm.energy),
    )


def _shift(good: list[Outcome], reference: Arm, arm: Arm) -> Shift | None:
    others = _good(reference)
    if arm is reference or not others:
        return None
    return shift(_keypoints(good[0]), _keypoints(others[0]), reference.configuration.label)


def _keypoints(outcome: Outcome) -> list[Keypoints]:
    frames = [np.array(frame, np.float32) for frame in outcome.keypoints]
    return [
        (f[..., :2], f[..., 2])
        if f.size
        else (np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.float32))
        for f in frames
    ]


def _energy(outcome: Outcome | None) -> EnergyFigures | None:
    if outcome is None:
        return None
    return outcome.energy or EnergyFigures(meter=None, reason=outcome.error)


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 1) if values else 0.0


def _rounded(values: list[float]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)
