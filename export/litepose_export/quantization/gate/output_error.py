"""How far the outputs of a graph are from the float file's, on inputs that stay the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from litepose_edge.backends import open_bytes
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import HeatmapSpec, Manifest, OneStageSpec, TopDownSpec
from litepose_export.quantization.gate.bounds import COUNTED_SCORE
from litepose_export.quantization.gate.comparison import REFERENCE_HEIGHT
from litepose_export.quantization.gate.people_error import PeopleError

# A keypoint that jumped to another peak counts as so far, not as the whole way: else the few
# that jump would decide everything.
MOST_PX = 4.0


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """What a graph's outputs moved by.

    Attributes:
        cost: What searches minimise: the mean shift of clear keypoints in pixels of a crop 256
            high, each at most `MOST_PX`; of one-stage networks' people, of an input with a short
            side of 256; for other networks without heatmaps of one person the relative error in
            percent.
        error: Root mean square error of the outputs, relative to their spread; where rows are
            people, the cost as a part of the most it can be.
    """

    cost: float
    error: float


class ErrorMetric:
    """Measures graphs against one float file on a few inputs.

    Args:
        float_model: The float file.
        manifest: How maps become keypoints.
        batches: Inputs.
    """

    def __init__(
        self, float_model: onnx.ModelProto, manifest: Manifest, batches: Sequence[NDArray[Any]]
    ) -> None:
        self._manifest, self._batches = manifest, list(batches)
        spec = manifest.model
        head = spec.head if isinstance(spec, TopDownSpec) else None
        self._head = head if isinstance(head, HeatmapSpec) else None
        self._people: PeopleError | None = None
        if isinstance(spec, OneStageSpec):
            people = PeopleError(float_model, manifest, self._batches)
            if people.has_people:
                self._people = people
                return
        self._wanted = self._run(float_model)
        if self._head is not None:
            self._points, scores = self._decode(self._wanted[0])
            self._counted = scores > COUNTED_SCORE
            if not self._counted.any():
                self._head = None  # no clear keypoint: the outputs themselves are compared

    def __call__(self, model: onnx.ModelProto) -> OutputDifference:
        """The output error of a graph with the same inputs and outputs."""
        if self._people is not None:
            cost = self._people(model, MOST_PX)
            return OutputDifference(cost, cost / MOST_PX)
        outputs = self._run(model)
        error = float(
            np.sqrt(
                np.mean(
                    [
                        np.mean((got - want) ** 2) / max(float(want.var()), 1e-12)
                        for got, want in zip(outputs, self._wanted, strict=True)
                    ]
                )
            )
        )
        if self._head is None:
            return OutputDifference(100 * error, error)
        points, _ = self._decode(outputs[0])
        moved = np.linalg.norm(points - self._points, axis=-1)[self._counted]
        moved *= REFERENCE_HEIGHT / self._manifest.input.height
        return OutputDifference(float(np.minimum(moved, MOST_PX).mean()), error)

    def _run(self, model: onnx.ModelProto) -> list[Float32]:
        session = open_bytes(model.SerializeToString())
        outputs = [list(session.run(batch).values()) for batch in self._batches]
        session.close()
        return [np.concatenate(values) for values in zip(*outputs, strict=True)]

    def _decode(self, maps: Float32) -> tuple[Float32, Float32]:
        head, spec = self._head, self._manifest.model
        assert head is not None
        assert isinstance(spec, TopDownSpec)
        cells, scores = heatmaps.decode_as(maps, head, spec.skeleton)
        size = Size(maps.shape[3], maps.shape[2])
        points = heatmaps.cells_to_input(cells, size, self._manifest.input.size, head.alignment)
        return points, scores
