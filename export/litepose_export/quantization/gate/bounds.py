"""The gate: what the figures of a quantized file may be."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from litepose_export.errors import ExportError
from litepose_export.figures import GateFigures

COUNTED_SCORE = 0.3
# With fewer a passed gate says little; see `find_shortage`.
FEWEST_PEOPLE, FEWEST_JOINTS = 100, 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a quantized file may do; None does not ask.

    Attributes:
        max_shift_px: Median shift of the keypoints, in pixels of a crop 256 high; of networks
            that find all people, in pixels of a photograph whose short side is 256.
        max_p95_px: Its 95th percentile.
        max_ap_drop: Loss of average precision, of 1.
        min_recall: Part of the float file's people who must still be found, for networks that
            find people.
        min_oks: Mean similarity of both files' poses, measured by the people's own size.

    Raises:
        ExportError: One is NaN or infinite.
    """

    max_shift_px: float | None = 0.5
    max_p95_px: float | None = 3.0
    max_ap_drop: float | None = 0.01
    min_recall: float | None = 0.9
    min_oks: float | None = 0.9

    def __post_init__(self) -> None:
        for name, bound in self.to_dict().items():
            if not math.isfinite(bound):
                raise ExportError(
                    f"{name} must be a finite number, or None to ask nothing, got {bound}"
                )

    def to_dict(self) -> dict[str, float]:
        """Those that are asked for, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def find_shortage(figures: GateFigures, *, joints_expected: bool) -> str:
    """How many people and keypoints more a verdict takes; empty where there are enough.

    Args:
        figures: What was measured.
        joints_expected: The network gives keypoints.
    """
    missing = [(FEWEST_PEOPLE - figures.people, "person", "people")]
    if joints_expected:
        missing.append((FEWEST_JOINTS - figures.joints, "keypoint", "keypoints"))
    short = [f"{count} {one if count == 1 else many}" for count, one, many in missing if count > 0]
    if not short:
        return ""
    seen = f"{figures.people} people" + f" and {figures.joints} keypoints" * joints_expected
    return f"the gate compared only {seen}: a verdict takes {' and '.join(short)} more"


def used_part(figures: GateFigures, bounds: Bounds) -> float:
    """How much of the bounds a file uses up: 0 moves nothing, 1 just passes.

    Args:
        figures: What was measured.
        bounds: What is allowed.
    """
    parts = [0.0 if figures.people else float("inf")]
    for value, bound, none in (
        (figures.shift_px, bounds.max_shift_px, 0.0),
        (figures.p95_px, bounds.max_p95_px, 0.0),
        (figures.ap_drop, bounds.max_ap_drop, 0.0),
        (figures.recall, bounds.min_recall, 1.0),
        (figures.oks, bounds.min_oks, 1.0),
    ):
        if value is not None and bound is not None:
            parts.append((value - none) / (bound - none) if bound != none else abs(value - none))
    return max(parts)


def find_failures(figures: GateFigures, bounds: Bounds, *, joints_expected: bool) -> list[str]:
    """What is wrong with a file; nothing if it passes.

    Args:
        figures: What was measured.
        bounds: What is allowed.
        joints_expected: The network gives keypoints: figures without any prove nothing.
    """
    if figures.people == 0 or (joints_expected and figures.joints == 0):
        return [f"nothing to compare: no keypoint scored above {COUNTED_SCORE} in FP32"]
    failures = []
    # Negated: a figure of NaN is within nothing.
    for what, value, bound in (
        ("median shift in px", figures.shift_px, bounds.max_shift_px),
        ("95th percentile of the shift in px", figures.p95_px, bounds.max_p95_px),
        ("loss of AP", figures.ap_drop, bounds.max_ap_drop),
    ):
        if value is not None and bound is not None and not value <= bound:
            failures.append(f"{what} {value:.4g}, allowed {bound:g}")
    for what, value, bound in (
        ("recall", figures.recall, bounds.min_recall),
        ("similarity of the poses", figures.oks, bounds.min_oks),
    ):
        if value is not None and bound is not None and not value >= bound:
            failures.append(f"{what} {value:.4g}, at least {bound:g}")
    return failures
