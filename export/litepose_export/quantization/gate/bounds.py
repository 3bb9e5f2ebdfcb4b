"""The gate: figures of a quantized file against its float file, and what they may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

COUNTED_SCORE = 0.3


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a quantized file may do; None does not ask.

    Attributes:
        shift_px: Median shift of the keypoints, in pixels of a crop 256 high; of networks that
            find everybody, in pixels of a photograph whose short side is 256.
        p95_px: Its 95th percentile.
        ap_drop: Loss of average precision, of 1.
        recall: Least part of the float file's people who must still be found, for networks that
            find people.
        oks: Least mean similarity of both files' poses, measured by the people's own size.
    """

    shift_px: float | None = 0.5
    p95_px: float | None = 3.0
    ap_drop: float | None = 0.01
    recall: float | None = 0.9
    oks: float | None = 0.9


@dataclass(frozen=True, slots=True)
class JointShift:
    """How far one keypoint moved."""

    name: str
    count: int
    median_px: float
    p95_px: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Float against INT8 on the same photographs.

    Attributes:
        people: Compared: crops, or people whom the float file found.
        joints: Keypoints that count: labelled (where somebody labelled) and scored above 0.3 by
            the float file.
        joints_part: Part of the labelled keypoints, or of all, that count.
        shift_px: Median shift; None for detectors and where no keypoint counts.
        p95_px: 95th percentile.
        by_joint: The same for each keypoint.
        oks: Mean similarity of both files' poses; None for detectors.
        recall: Part of the float file's people found again; None for single-person networks.
        ap_float: Average precision of the float file; None without labels.
        ap_int8: Of the INT8 file.
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

    @property
    def ap_drop(self) -> float | None:
        """Average precision lost."""
        if self.ap_float is None or self.ap_int8 is None:
            return None
        return self.ap_float - self.ap_int8

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        return {**asdict(self), "ap_drop": self.ap_drop}

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


def judge(figures: Figures, bounds: Bounds, *, joints_expected: bool) -> list[str]:
    """What is wrong with a file; nothing if it passes.

    Args:
        figures: What was measured.
        bounds: What is allowed.
        joints_expected: The network gives keypoints: figures without any prove nothing.
    """
    if figures.people == 0 or (joints_expected and figures.joints == 0):
        return [f"nothing to judge by: no keypoint scored above {COUNTED_SCORE} in FP32"]
    complaints = []
    for what, value, bound in (
        ("median shift in px", figures.shift_px, bounds.shift_px),
        ("95th percentile of the shift in px", figures.p95_px, bounds.p95_px),
        ("loss of AP", figures.ap_drop, bounds.ap_drop),
    ):
        if value is not None and bound is not None and value > bound:
            complaints.append(f"{what} {value:.4g}, allowed {bound:g}")
    for what, value, bound in (
        ("recall", figures.recall, bounds.recall),
        ("similarity of the poses", figures.oks, bounds.oks),
    ):
        if value is not None and bound is not None and value < bound:
            complaints.append(f"{what} {value:.4g}, at least {bound:g}")
    return complaints
