"""Puts the outcomes of all processes together as one report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from litepose_edge.measure.bench.report.document import (
    SCHEMA,
    ColdFigures,
    MeasuredModel,
    Noise,
    Report,
    Result,
)
from litepose_edge.measure.bench.report.noise import compare, noise_floor
from litepose_edge.measure.bench.runs.configuration import Configuration, MeasurementPlan
from litepose_edge.measure.bench.runs.digest import Shift, shift
from litepose_edge.measure.bench.runs.figures import summarize
from litepose_edge.measure.bench.runs.pipeline import Keypoints
from litepose_edge.measure.bench.runs.runner import ConfigurationRuns, Runs
from litepose_edge.measure.bench.runs.worker import Outcome
from litepose_edge.measure.energy import EnergyFigures
from litepose_edge.measure.machine.description import Machine
from litepose_edge.measure.machine.state import MachineState, warnings


def make_report(
    runs: Runs,
    plan: MeasurementPlan,
    machine: Machine,
    states: tuple[MachineState, MachineState],
    *,
    began: datetime,
    command: str = "",
    models: Sequence[MeasuredModel] = (),
) -> Report:
    """Put together what was run.

    Args:
        runs: All processes' outcomes.
        plan: How long and how often.
        machine: What does not change.
        states: Before and after.
        began: When.
        command: What was typed.
        models: The networks that were run.
    """
    noise = _noise(runs)
    results = []
    for measured in runs.measured:
        # Five people take longer than one: only configurations with the same work are compared.
        work = _work(measured.configuration)
        alike = [other for other in runs.measured if _work(other.configuration) == work]
        # Keypoints are compared with those of the same network.
        same = [r for r in alike if r.configuration.model == measured.configuration.model]
        results.append(_result(measured, alike[0], _reference(same), noise))
    return Report(
        schema=SCHEMA,
        created=began.astimezone(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        plan=plan,
        machine=machine,
        before=states[0],
        after=states[1],
        warnings=warnings(machine, *states),
        noise=noise,
        results=results,
        models=list(models),
    )


def _good(runs: ConfigurationRuns) -> list[Outcome]:
    return [outcome for outcome in runs.outcomes if outcome.timing is not None]


def _medians(runs: ConfigurationRuns) -> list[float]:
    return [float(np.median(o.timing.frame_ms)) for o in _good(runs) if o.timing is not None]


def _cpu(runs: ConfigurationRuns) -> list[float]:
    return [o.timing.cpu_ms_per_frame for o in _good(runs) if o.timing is not None]


def _noise(runs: Runs) -> Noise | None:
    first, again = runs.measured[0], runs.baseline_again
    if min(len(_good(first)), len(_good(again))) < 2:
        return None
    return Noise(
        frame=noise_floor(_medians(first), _medians(again)),
        cpu=noise_floor(_cpu(first), _cpu(again)),
        label=first.configuration.label,
    )


def _work(configuration: Configuration) -> tuple[object, ...]:
    return configuration.source, configuration.people, configuration.mode, configuration.fps


def _reference(candidates: list[ConfigurationRuns]) -> ConfigurationRuns:
    """Whose keypoints the others' are compared with: FP32 if it was run, else the baseline."""
    fp32 = [runs for runs in candidates if runs.configuration.precision == "fp32" and _good(runs)]
    default_engine = [runs for runs in fp32 if runs.configuration.engine == "onnxruntime"]
    return [*default_engine, *fp32, *candidates][0]


def _result(
    runs: ConfigurationRuns,
    baseline: ConfigurationRuns,
    reference: ConfigurationRuns,
    noise: Noise | None,
) -> Result:
    configuration, good = runs.configuration, _good(runs)
    failed = next((o.error for o in runs.outcomes if o.error is not None), None)
    if not good or failed is not None:
        return Result(configuration=configuration, label=configuration.label, error=failed)
    timings = [o.timing for o in good if o.timing is not None]
    colds = [o.cold for o in good if o.cold is not None]
    frames = sum(len(t.frame_ms) for t in timings)
    misses = [t.missed for t in timings if t.missed is not None]
    sums = {o.checksum for o in good}
    medians, cpu = _medians(runs), _cpu(runs)
    compared = (
        noise is not None and runs is not baseline and min(len(good), len(_good(baseline))) > 1
    )
    return Result(
        configuration=configuration,
        label=configuration.label,
        is_baseline=runs is baseline,
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
        shift=_shift(good, reference, runs),
        frame_comparison=(
            compare(_medians(baseline), medians, noise.frame) if compared and noise else None
        ),
        cpu_comparison=compare(_cpu(baseline), cpu, noise.cpu) if compared and noise else None,
        energy=_energy(runs.energy),
    )


def _shift(
    good: list[Outcome], reference: ConfigurationRuns, runs: ConfigurationRuns
) -> Shift | None:
    others = _good(reference)
    if runs is reference or not others:
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
