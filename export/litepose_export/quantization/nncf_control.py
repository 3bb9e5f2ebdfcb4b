"""What NNCF's accuracy control is told of a candidate: how much of the gate's bounds it uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from litepose_edge.backends import Session
from litepose_edge.manifest import Manifest
from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.conversion.sample_inputs import shuffled
from litepose_export.quantization.gate.bounds import Bounds, used_part
from litepose_export.quantization.gate.comparison import compare_sessions

# Crops, or photographs, that each candidate is compared on.
PEOPLE = 120
# What a candidate gets that finds no person at all: NNCF wants finite numbers.
WORST = 1e3


class AccuracyControl:
    """Compares candidates with the float file as the gate does, on calibration photographs.

    Args:
        float_session: The float file, opened.
        manifest: Of both.
        calibration: Photographs that are not the gate's.
        bounds: What the gate allows.
    """

    def __init__(
        self,
        float_session: Session,
        manifest: Manifest,
        calibration: CocoDataset,
        bounds: Bounds,
    ) -> None:
        self._session, self._manifest, self._bounds = float_session, manifest, bounds
        names = calibration.keypoint_names
        self._known = CocoDataset(calibration.path, names, tuple(shuffled(calibration)))

    def metric(self, compiled: Any, dataset: Iterable[Any]) -> float:
        """How much better than the worst a compiled network is: the bounds' parts it leaves unused.

        Above 0: NNCF divides by that of the float network, which uses none.

        Args:
            compiled: OpenVINO's compiled model.
            dataset: NNCF's inputs, not needed: photographs are read anew.
        """
        candidate = _Compiled(compiled, self._session)
        sessions = (self._session, candidate)
        figures = compare_sessions(sessions, self._manifest, self._known, PEOPLE)
        return 1 + WORST - min(used_part(figures, self._bounds), WORST)


class _Compiled:
    """A compiled network behind the runtime's seam."""

    def __init__(self, compiled: Any, like: Session) -> None:
        self._compiled, self.input = compiled, like.input

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        found = self._compiled(batch)
        return {output.get_any_name(): found[output].copy() for output in self._compiled.outputs}

    def close(self) -> None:
        """Nothing: NNCF owns it."""
