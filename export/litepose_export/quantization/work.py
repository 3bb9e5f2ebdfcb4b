"""A quantization under way: its graphs, inputs and figures, and what attempts at a file share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import onnx
from numpy.typing import NDArray

from litepose_edge.geometry import Size
from litepose_edge.manifest import Manifest
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.conversion.sample_inputs import Inputs, calibration_inputs
from litepose_export.figures import GateFigures
from litepose_export.quantization.calibration import qdq
from litepose_export.quantization.gate.comparison import compare
from litepose_export.quantization.gate.output_error import ErrorMetric
from litepose_export.quantization.mixed_precision import sensitivity
from litepose_export.quantization.options import QuantizeOptions, StepFigures

# Inputs that searches measure on: enough keypoints for a mean, few enough to ask often.
SEARCH_INPUTS = 48
# People that the figures of each step are measured on; the gate has its own number.
STEP_PEOPLE = 300
Started = Callable[[str, int], Callable[[], None]]
Batches = Callable[[int, Size], Iterator[NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Plain:
    """A graph before the steps that were asked for: what its INT8 form is written from.

    Attributes:
        prepared: Float graph, equalized if that was asked for.
        ranges: Of its tensors.
        figures: Of its INT8 form.
    """

    prepared: onnx.ModelProto
    ranges: qdq.Ranges
    figures: GateFigures


@dataclass(slots=True)
class Known:
    """What attempts at one file share.

    Attributes:
        inputs: Calibration inputs that were read.
        asked: How many of them were asked for.
        layers: The ranking of the layers, once it is known.
        groups: How many groups of layers can be equalized, once it is known.
        plain: Graphs before the steps, by the options that they depend on.
        end: When fine-tuning must be done, on the monotonic clock; None for no limit.
    """

    inputs: Inputs | None = None
    asked: int = 0
    layers: list[sensitivity.Sensitivity] | None = None
    groups: int | None = None
    plain: dict[tuple[object, ...], Plain] = field(default_factory=dict)
    end: float | None = None

    def read(self, dataset: CocoDataset, manifest: Manifest, count: int) -> Inputs:
        """Calibration inputs, read once."""
        if self.inputs is None or self.asked < count:
            self.inputs, self.asked = calibration_inputs(dataset, manifest, count), count
        return self.inputs


@dataclass(slots=True)
class Work:
    """A quantization under way."""

    float_model: onnx.ModelProto
    prepared: onnx.ModelProto
    manifest: Manifest
    inputs: Inputs
    seen: CocoDataset
    held_out: CocoDataset
    options: QuantizeOptions
    started: Started
    known: Known
    batches: Batches | None = None
    float_nodes: tuple[str, ...] = ()
    ranges: qdq.Ranges = field(default_factory=dict)
    quantized: onnx.ModelProto = field(default_factory=onnx.ModelProto)
    steps: list[StepFigures] = field(default_factory=list)
    # Figures of the last step, and the graph they are of.
    latest: tuple[onnx.ModelProto, GateFigures] | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def calibration(self) -> Inputs:
        """Inputs that ranges and means are taken from."""
        chosen = self.inputs[: self.options.count]
        assert isinstance(chosen, Inputs)
        return chosen

    def error_metric(self) -> ErrorMetric:
        """Measures graphs on a few calibration inputs."""
        return ErrorMetric(self.float_model, self.manifest, self.calibration[:SEARCH_INPUTS])

    def finish_step(self, name: str) -> None:
        """Record the graph's figures on some of the held-out photographs under a step's name."""
        f = self.compare(self.quantized, f"compare: {name}", STEP_PEOPLE)
        self.note_step(name, f)

    def note_step(self, name: str, f: GateFigures) -> None:
        """Record the graph's figures, known already, under a step's name."""
        self.latest = self.quantized, f
        seconds = round(time.monotonic() - self.began, 1)
        self.steps.append(StepFigures(name, f.shift_px, f.p95_px, f.ap_int8, seconds))

    def compare(self, model: onnx.ModelProto, what: str, most: int | None = None) -> GateFigures:
        """Figures of a graph on the held-out photographs."""
        people = self.options.gate_people
        if self.latest is not None and self.latest[0] is model and people <= STEP_PEOPLE:
            return self.latest[1]
        people = people if most is None else min(people, most)
        advance = self.started(what, people)
        return compare(self.float_model, model, self.manifest, self.held_out, people, advance)

    def encode(self, further: tuple[str, ...] = ()) -> None:
        """Write the INT8 graph anew, with further nodes in float."""
        left = (*self.float_nodes, *further)
        self.quantized = qdq.write_qdq(self.prepared, self.ranges, self.options.scheme, left)
