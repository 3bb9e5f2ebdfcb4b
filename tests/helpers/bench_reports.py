"""Reports of benchmarks that were not run."""

from __future__ import annotations

from datetime import datetime, timezone

from litepose_edge.measure.bench.report.assemble import make_report
from litepose_edge.measure.bench.runs.configuration import Configuration, MeasurementPlan
from litepose_edge.measure.bench.runs.figures import summarize
from litepose_edge.measure.bench.runs.pacing import Timing
from litepose_edge.measure.bench.runs.runner import Runs
from litepose_edge.measure.bench.runs.stages import STAGES
from litepose_edge.measure.bench.runs.worker import ColdStart, Outcome
from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.state import observe_state
from litepose_edge.measure.machine.sysfs import Sysfs


def configuration(**changes):
    return Configuration(
        **{
            "model": "lrpose-s",
            "engine": "onnxruntime",
            "precision": "int8",
            "threads": 1,
            "people": 1,
            "mode": "paced",
            "fps": 15.0,
            "source": "synthetic",
            **changes,
        }
    )


def outcome(frame_ms, cpu_ms=3.0, keypoint=10.0, **changes):
    """A worker's outcome with these frame times and every keypoint at one place."""
    times = list(frame_ms)
    total = cpu_ms * len(times)
    stage = summarize([1.0, 2.0])
    return Outcome(
        **{
            "cold": ColdStart(start_ms=300.0, load_ms=50.0, first_ms=20.0),
            "timing": Timing(times, 0.75 * total, 0.25 * total, 1000.0, 1),
            "stages": dict.fromkeys(STAGES, stage),
            "rss_mb": 100.0,
            "peak_rss_mb": 120.0,
            "checksum": f"{keypoint}",
            "keypoints": [[[(keypoint, 20.0, 0.9), (keypoint, 30.0, 0.1)]]],
            **changes,
        }
    )


def report_of(measured, again, models=(), **plan):
    states = (observe_state(Sysfs()), observe_state(Sysfs()))
    return make_report(
        Runs(measured, again),
        MeasurementPlan(**plan),
        describe_machine(),
        states,
        began=datetime(2024, 5, 1, tzinfo=timezone.utc),
        command="litepose-edge bench",
        models=models,
    )
