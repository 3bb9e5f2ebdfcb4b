"""Walks the ways to a file that passes the gate, the cheapest first, until one does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.errors import AccuracyGateError
from litepose_export.quantization import job
from litepose_export.quantization.options import QuantizationReport, QuantizeOptions

FINETUNE_STEPS = 300
# What each attempt adds to the one before.
LADDER: tuple[dict[str, Any], ...] = (
    {},
    {"equalize": True},
    {"gptq": True, "bias_correction": True},
    {"finetune_steps": FINETUNE_STEPS},
    {"search": True},
)


def quantize_auto(
    source: Path,
    target: Path,
    calibration: CocoDataset,
    options: QuantizeOptions,
    *,
    minutes: float | None = None,
    held_out: CocoDataset | None = None,
    started: Callable[[str, int], Callable[[], None]] = lambda what, total: lambda: None,
) -> QuantizationReport:
    """Quantize with more and more steps until the gate passes or the time is up.

    Args:
        source: Float file with a manifest.
        target: The file to write.
        calibration: Photographs to calibrate on.
        options: What every attempt does; `force` is for a single attempt and is not taken.
        minutes: No attempt begins later than this; one that has begun is finished.
        held_out: Photographs that the gate compares on; a quarter of the others unless given.
        started: Told what begins and in how many steps.

    Raises:
        AccuracyGateError: No attempt passed; nothing is written, and the message says how far
            each came.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    tried: list[str] = []
    chosen = replace(options, force=False)
    nearest: AccuracyGateError | None = None
    for more in LADDER:
        if tried and end is not None and time.monotonic() >= end:
            tried.append(f"{minutes:g} minutes are up")
            break
        chosen = replace(chosen, **more)
        name = _name(chosen)
        try:
            return job.quantize(
                source,
                target,
                calibration,
                chosen,
                held_out=held_out,
                started=lambda what, total, name=name: started(f"{name}: {what}", total),  # type: ignore[misc]
            )
        except AccuracyGateError as exc:
            tried.append(f"{name}: {_shift(exc)}")
            if nearest is None or _distance(exc) < _distance(nearest):
                nearest = exc
    assert nearest is not None
    raise AccuracyGateError(
        f"no attempt passed the gate, nothing was written ({'; '.join(tried)}). Give more "
        "calibration photographs like those it will see, or wider bounds. The nearest was "
        f"{nearest}",
        nearest.figures,
    )


def _name(options: QuantizeOptions) -> str:
    steps = (
        ("equalized", options.equalize),
        ("GPTQ", options.gptq),
        ("fine-tuned", options.finetune_steps > 0),
        ("float nodes searched", options.search),
    )
    return ", ".join(name for name, done in steps if done) or "plain"


def _shift(refusal: AccuracyGateError) -> str:
    figures = refusal.figures
    if figures is None or figures.shift_px is None:
        return "refused"
    return f"median {figures.shift_px:.2f} px, p95 {figures.p95_px:.2f} px"


def _distance(refusal: AccuracyGateError) -> float:
    figures = refusal.figures
    if figures is None or figures.p95_px is None:
        return float("inf")
    return figures.p95_px
