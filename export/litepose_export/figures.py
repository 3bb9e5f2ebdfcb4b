"""What the accuracy gate measures: an INT8 file against the float file it was made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class JointShift:
    """How far one keypoint moved."""

    name: str
    count: int
    median_px: float
    p95_px: float


@dataclass(frozen=True, slots=True)
class GateFigures:
    """Float against INT8 on the same photographs.

    Attributes:
        people: Compared: crops, or people whom the float file found.
        joints: Keypoints that count: labelled (where the photographs are labelled) and scored
            above 0.3 by the float file.
        joints_part: Part of the labelled keypoints, or of all, that count.
        shift_px: Median shift; None for detectors and where no keypoint counts.
        p95_px: 95th percentile.
        by_joint: The same for each keypoint.
        oks: Mean similarity of both files' poses; None for detectors.
        recall: Part of the float file's people found again; None for single-person networks.
        ap_float: Average precision of the float file; None without labels.
        ap_int8: Of the INT8 file.
        intervals: Where `shift_px`, `p95_px`, `oks`, `recall` and `ap_drop` lie with a confidence
            of 95 %, by bootstrap over people, for AP over photographs.
    """

    people: int
    joints: int = 0
    joints_part: float = 0.0
    shift_px: float | None = None
    p95_px: float | None = None
    by_joint: tuple[JointShift, ...] = ()
    oks: float | None = None
    recall: float | None = None
    ap_float: float | None = None
    ap_int8: float | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def ap_drop(self) -> float | None:
        """Average precision lost."""
        if self.ap_float is None or self.ap_int8 is None:
            return None
        return self.ap_float - self.ap_int8

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return {**asdict(self), "ap_drop": self.ap_drop}

    def rounded_intervals(self) -> dict[str, tuple[float, float]]:
        """The intervals as the file's manifest has them."""
        return {name: (round(a, 4), round(b, 4)) for name, (a, b) in self.intervals.items()}

    def parity(self) -> dict[str, float]:
        """What goes into the file's manifest."""
        figures = {
            "gate_people": float(self.people),
            "gate_joints": float(self.joints),
            "shift_median_px": self.shift_px,
            "shift_p95_px": self.p95_px,
            "oks": self.oks,
            "recall": self.recall,
            "ap_float": self.ap_float,
            "ap_int8": self.ap_int8,
        }
        return {name: round(value, 4) for name, value in figures.items() if value is not None}
