"""The report of one benchmark as one document of schema 1; tables and pages are made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from litepose_edge.atomic_files import read_file
from litepose_edge.errors import SourceError
from litepose_edge.measure.bench.report.noise import Comparison, NoiseFloor
from litepose_edge.measure.bench.runs.configuration import Configuration, MeasurementPlan
from litepose_edge.measure.bench.runs.digest import Shift
from litepose_edge.measure.bench.runs.figures import Summary
from litepose_edge.measure.energy import EnergyFigures
from litepose_edge.measure.machine.description import Machine
from litepose_edge.measure.machine.state import MachineState

SCHEMA: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredModel:
    """A network that was measured.

    Attributes:
        name: As its manifest calls it.
        precision: What its weights are.
        file: The file's name.
        size_bytes: The file's size.
        sha256: Of the file: a name may stand for other weights in another version.
    """

    name: str
    precision: str
    file: str
    size_bytes: int
    sha256: str


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
        deadline_misses: Frames not done when the next one was due; None at full speed.
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

    frame: NoiseFloor
    cpu: NoiseFloor
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
        models: The networks; none in reports of earlier versions.
    """

    schema: Literal[1]
    created: str
    command: str
    plan: MeasurementPlan
    machine: Machine
    before: MachineState
    after: MachineState
    warnings: list[str]
    noise: Noise | None
    results: list[Result]
    models: list[MeasuredModel] = field(default_factory=list)


def to_json(report: Report) -> bytes:
    """The document; readable, the same bytes for the same report."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def read_report(path: Path) -> Report:
    """Read a document again.

    Raises:
        SourceError: It is missing, or no report of schema 1.
    """
    try:
        return msgspec.json.decode(read_file(path), type=Report)
    except OSError as exc:
        raise SourceError(f"cannot read report {path}: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise SourceError(f"{path} is no benchmark report of schema {SCHEMA}: {exc}") from exc


def json_schema() -> dict[str, Any]:
    """JSON Schema of the document."""
    return msgspec.json.schema(Report)
