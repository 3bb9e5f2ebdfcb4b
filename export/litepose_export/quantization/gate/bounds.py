"""The gate: what the figures of a quantized file may be."""

from __future__ import annotations

from dataclasses import dataclass

from litepose_export.figures import GateFigures

COUNTED_SCORE = 0.3


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
    """

    max_shift_px: float | None = 0.5
    max_p95_px: float | None = 3.0
    max_ap_drop: float | None = 0.01
    min_recall: float | None = 0.9
    min_oks: float | None = 0.9


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
    # Negated: NaN, in a figure or a bound, is within nothing.
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
