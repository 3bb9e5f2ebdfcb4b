"""How far a graph moves the people that a one-stage float file finds, on inputs that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from litepose_edge.backends import open_bytes
from litepose_edge.boxes import box_iou
from litepose_edge.decoding.one_stage import Candidates
from litepose_edge.geometry import Float64
from litepose_edge.manifest import Manifest, OneStageSpec
from litepose_edge.pipelines.onestage import decode
from litepose_export.quantization.gate.bounds import COUNTED_SCORE
from litepose_export.quantization.gate.comparison import (
    REFERENCE_HEIGHT,
    SAME_PERSON,
    STILL_FOUND,
)


class PeopleError:
    """Measures graphs against one float file on a few inputs.

    Args:
        float_model: The float file.
        manifest: Of a one-stage network.
        batches: Inputs of one image each.
    """

    def __init__(
        self, float_model: onnx.ModelProto, manifest: Manifest, batches: Sequence[NDArray[Any]]
    ) -> None:
        assert isinstance(manifest.model, OneStageSpec)
        self._spec, self._size, self._batches = manifest.model, manifest.input.size, batches
        self._scale = REFERENCE_HEIGHT / min(manifest.input.width, manifest.input.height)
        self._wanted = [found[found.scores > COUNTED_SCORE] for found in self._decode(float_model)]

    @property
    def has_people(self) -> bool:
        """Whether there is a clear keypoint to compare."""
        return any((found.keypoint_scores > COUNTED_SCORE).any() for found in self._wanted)

    def __call__(self, model: onnx.ModelProto, most_px: float) -> float:
        """Mean shift of clear keypoints, in pixels of an input whose short side is 256.

        Args:
            model: A graph with the same inputs and outputs.
            most_px: A keypoint that moved farther counts as this, and so does one of a person who
                was not found again.
        """
        moved = [
            np.minimum(self._moved(want, got), most_px)
            for want, got in zip(self._wanted, self._decode(model), strict=True)
        ]
        return float(np.concatenate(moved).mean())

    def _moved(self, want: Candidates, got: Candidates) -> Float64:
        clear = want.keypoint_scores > COUNTED_SCORE
        distances = np.full(clear.shape, np.inf)
        if len(got.scores):
            overlap = box_iou(want.boxes, got.boxes)
            best = overlap.argmax(axis=1)
            again = overlap.max(axis=1) >= SAME_PERSON
            away = np.linalg.norm(want.keypoints - got.keypoints[best], axis=2)
            distances[again] = away[again] * self._scale
        found: Float64 = distances[clear]
        return found

    def _decode(self, model: onnx.ModelProto) -> list[Candidates]:
        session = open_bytes(model.SerializeToString())
        found = [
            decode(session.run(batch), self._spec, self._size, STILL_FOUND)
            for batch in self._batches
        ]
        session.close()
        return found
