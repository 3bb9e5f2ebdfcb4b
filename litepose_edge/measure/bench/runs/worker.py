"""One process that measures one configuration: `python -m ...worker JOB.json RESULT.json`."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import msgspec
import numpy as np

from litepose_edge.backends import Session
from litepose_edge.errors import LitePoseError
from litepose_edge.measure.bench.runs.clip import MIN_SCORE, ClipFrame, load_frames
from litepose_edge.measure.bench.runs.configuration import Configuration, MeasurementPlan, WorkerJob
from litepose_edge.measure.bench.runs.digest import checksum
from litepose_edge.measure.bench.runs.figures import Summary
from litepose_edge.measure.bench.runs.pacing import Timing, back_to_back, paced
from litepose_edge.measure.bench.runs.pipeline import (
    Keypoints,
    Pipeline,
    lazy_detector,
    open_detector,
    open_pipeline,
    open_topdown,
)
from litepose_edge.measure.bench.runs.stages import StageTimedSession, measure_stages
from litepose_edge.measure.energy import (
    EnergyFigures,
    EnergyMeter,
    LogMeter,
    ModelledMeter,
    find_meters,
    joules_per_frame,
    on_battery,
    per_person,
)
from litepose_edge.measure.machine.sysfs import Sysfs

STAGE_PART = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """A fresh process's way to its first keypoints, in milliseconds.

    Attributes:
        start_ms: Start of the interpreter and imports, this tool's own included.
        load_ms: Opening the networks that are opened at once.
        first_ms: The first frame, with what is opened for it.
    """

    start_ms: float
    load_ms: float
    first_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one worker measured.

    Attributes:
        cold: The way to the first keypoints.
        timing: The measured frames; None where energy was measured.
        stages: Where the time goes; None where the model is not top-down or no person was found.
        rss_mb: Memory after the measured frames, frames in memory included; None where unknown.
        peak_rss_mb: The most it was; None where unknown.
        checksum: Of all keypoints.
        keypoints: By frame `(P, K, 3)` as nested lists: x, y in pixels, and score.
        energy: None where it was not asked for.
        error: Why there are no figures; None where there are.
    """

    cold: ColdStart | None = None
    timing: Timing | None = None
    stages: dict[str, Summary] | None = None
    rss_mb: float | None = None
    peak_rss_mb: float | None = None
    checksum: str = ""
    keypoints: list[list[list[tuple[float, float, float]]]] = field(default_factory=list)
    energy: EnergyFigures | None = None
    error: str | None = None


def run(job: WorkerJob, imported_ns: int) -> Outcome:
    """Measure what the job says.

    Args:
        job: The configuration, and whether to time it or to measure its energy.
        imported_ns: Wall clock when the imports were done.
    """
    configuration, plan = job.configuration, job.plan
    # Cropping would otherwise use OpenCV's own threads.
    cv2.setNumThreads(configuration.threads)
    frames = load_frames(configuration, lazy_detector(configuration))
    began = time.perf_counter_ns()
    pipeline = open_pipeline(configuration)
    loaded = time.perf_counter_ns()
    pipeline.predict(frames[0])
    first = time.perf_counter_ns()
    cold = ColdStart(
        start_ms=(imported_ns - job.spawned_ns) / 1e6,
        load_ms=(loaded - began) / 1e6,
        first_ms=(first - loaded) / 1e6,
    )
    back_to_back(lambda i: pipeline.predict(frames[i % len(frames)]), plan.warmup_s)
    if job.task == "energy":
        return Outcome(cold=cold, energy=_energy(configuration, plan, pipeline, frames))
    timing = _work(configuration, pipeline, frames, plan.seconds)
    rss_mb, peak_rss_mb = _memory()
    results = [pipeline.predict(frame) for frame in frames]
    pipeline.close()
    return Outcome(
        cold=cold,
        timing=timing,
        stages=_stages(configuration, frames, plan.seconds * STAGE_PART),
        rss_mb=rss_mb,
        peak_rss_mb=peak_rss_mb,
        checksum=checksum(results),
        keypoints=[_to_lists(result) for result in results],
    )


def _work(
    configuration: Configuration, pipeline: Pipeline, frames: list[ClipFrame], seconds: float
) -> Timing:
    def frame(number: int) -> None:
        pipeline.predict(frames[number % len(frames)])

    if configuration.mode == "paced":
        return paced(frame, seconds, configuration.fps)
    return back_to_back(frame, seconds)


def _stages(
    configuration: Configuration, frames: list[ClipFrame], seconds: float
) -> dict[str, Summary] | None:
    detector = open_detector(configuration)
    given = [
        ClipFrame(frame.image, detector(frame.image, MIN_SCORE)[0])
        if frame.boxes_xyxy is None
        else frame
        for frame in frames
    ]
    given = [frame for frame in given if frame.boxes_xyxy is not None and len(frame.boxes_xyxy)]
    sessions: list[StageTimedSession] = []

    def timed(session: Session) -> StageTimedSession:
        sessions.append(StageTimedSession(session))
        return sessions[-1]

    one_person = configuration.people == 1
    topdown = open_topdown(configuration, configuration.threads if one_person else 1, timed)
    if topdown is None or not given:
        return None
    return measure_stages(topdown, sessions, detector, given, seconds)


def _energy(
    configuration: Configuration, plan: MeasurementPlan, pipeline: Pipeline, frames: list[ClipFrame]
) -> EnergyFigures:
    meter = choose_meter(plan)
    if isinstance(meter, str):
        return EnergyFigures(meter=None, reason=meter)

    people = 0

    def predict(frame: ClipFrame) -> Keypoints:
        nonlocal people
        result = pipeline.predict(frame)
        people += len(result[0])
        return result

    counted = replace(pipeline, predict=predict)

    def work() -> int:
        return len(_work(configuration, counted, frames, plan.energy_s).frame_ms)

    figures = joules_per_frame(meter, work, idle_s=plan.idle_s, repeats=plan.energy_repeats)
    figures = per_person(figures, people)
    return figures if plan.battery_wh is None else on_battery(figures, plan.battery_wh)


def choose_meter(plan: MeasurementPlan) -> EnergyMeter | str:
    """The meter a plan asks for, or the reason why there is none."""
    if plan.watts_per_core is not None:
        return ModelledMeter(plan.watts_per_core)
    if plan.meter_log is not None:
        return LogMeter(Path(plan.meter_log), plan.meter_log_began_s)
    found = find_meters()
    for meter in found.meters:
        if plan.meter in (None, meter.about.name):
            return meter
    if found.meters:
        names = ", ".join(meter.about.name for meter in found.meters)
        return f"there is no meter '{plan.meter}'; there are: {names}"
    return "; ".join(f"{missing.kind}: {missing.reason}" for missing in found.missing)


def _to_lists(result: Keypoints) -> list[list[tuple[float, float, float]]]:
    keypoints, scores = result
    joined = np.concatenate([keypoints, scores[..., None]], axis=-1).astype(np.float64).round(3)
    return [[(x, y, score) for x, y, score in person] for person in joined.tolist()]


def _memory() -> tuple[float | None, float | None]:
    """Resident memory now and at most, in MB."""
    status = Sysfs().optional("proc/self/status")
    if status is not None:
        # getrusage would also count what the parent had before it became this program.
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE))
        if len(found) == 2:
            return int(found["VmRSS"]) * 1024 / 1e6, int(found["VmHWM"]) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None, None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but bytes on macOS.
    return None, most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def main(job_path: str, result_path: str) -> None:
    """Read the job, write the outcome."""
    imported_ns = time.time_ns()
    job = msgspec.json.decode(Path(job_path).read_bytes(), type=WorkerJob)
    try:
        outcome = run(job, imported_ns)
    except (LitePoseError, ValueError) as exc:
        outcome = Outcome(error=f"{type(exc).__name__}: {exc}")
    Path(result_path).write_bytes(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
