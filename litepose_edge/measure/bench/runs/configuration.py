"""What is to be measured: one configuration, and how long and how often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from litepose_edge.backends import Backend

Mode = Literal["throughput", "paced"]
EngineName = Literal["onnxruntime", "openvino", "onnxruntime-spinning"]
Precision = Literal["int8", "fp32"]

SYNTHETIC = "synthetic"
FOUND = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One thing to measure; a process of its own runs it.

    Attributes:
        model: Bundled pose network, or the path of an exported one.
        engine: `"onnxruntime-spinning"` is ONNX Runtime with spinning threads, its own default.
        precision: What the weights are; None for whatever a file is.
        threads: CPU threads.
        people: Boxes that are given a frame; None lets the detector find the people.
        mode: `"throughput"` back to back, `"paced"` at `fps` frames a second.
        fps: Frames a second when paced.
        source: `"synthetic"`, or the path of an image or video.
        detector_size: Runs the detector once, at so many pixels a side, where it finds the people;
            None for the views of its manifest.
    """

    model: str
    engine: EngineName
    precision: Precision | None
    threads: int
    people: int | None
    mode: Mode
    fps: float
    source: str
    detector_size: int | None = None

    @property
    def backend(self) -> Backend:
        """What opens the model."""
        return "openvino" if self.engine == "openvino" else "onnxruntime"

    @property
    def label(self) -> str:
        """What tables call it."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        boxes = f"{self.people} box{'' if self.people == 1 else 'es'} given"
        people = "people found" if self.people is None else boxes
        if self.detector_size is not None:
            people += f" at {self.detector_size} px"
        weights = f"{self.model_name} {self.precision}" if self.precision else self.model_name
        return f"{weights}, {self.engine}, {threads}, {people}"

    @property
    def model_name(self) -> str:
        """A bundled network's name, or a file's."""
        return PurePath(self.model).name


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementPlan:
    """How long and how often.

    Attributes:
        repeats: Processes a configuration.
        seconds: Length of the measurement in each.
        warmup_s: Frames that are not counted before it.
        energy_repeats: Work windows of the energy measurement; 0 for none.
        energy_s: Length of each.
        idle_s: Length of the idle windows between them.
        meter: Name of the meter; None takes the one that covers most of the machine.
        meter_log: An external meter's log file, instead of the machine's own meters.
        meter_log_began_s: When that recording began, in seconds since 1970.
        watts_per_core: Asks for a modelled figure instead of a measured one.
        battery_wh: Watt-hours of a battery whose hours are to be estimated.
    """

    repeats: int = 5
    seconds: float = 3.0
    warmup_s: float = 0.5
    energy_repeats: int = 0
    energy_s: float = 10.0
    idle_s: float = 5.0
    meter: str | None = None
    meter_log: str | None = None
    meter_log_began_s: float | None = None
    watts_per_core: float | None = None
    battery_wh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJob:
    """What one worker process is told.

    Attributes:
        configuration: What to run.
        plan: How long.
        spawned_ns: Wall clock when the process was started.
        task: Whether to time it or to measure its energy.
    """

    configuration: Configuration
    plan: MeasurementPlan
    spawned_ns: int
    task: Literal["time", "energy"] = "time"
