"""Walks the ways to a file that passes the gate, the cheapest first, until one does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from litepose_edge.measure.accuracy.coco import CocoDataset
from litepose_export.errors import AccuracyGateError, UnsupportedOpError
from litepose_export.figures import GateFigures
from litepose_export.quantization import job
from litepose_export.quantization.options import QuantizationReport, QuantizeOptions
from litepose_export.quantization.work import Known

FINETUNE_STEPS, MORE_STEPS = 300, 1200
# What each attempt adds to the best one before, by what it costs: seconds at first, minutes then.
LADDER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("plain", {}),
    ("+ equalization", {"equalize_groups": True}),
    ("+ GPTQ", {"gptq": True}),
    ("+ bias correction", {"bias_correction": True}),
    ("+ range search", {"clip_search": True}),
    ("+ sensitive layers in float", {"search_layers": True}),
    (f"+ {FINETUNE_STEPS} steps of fine-tuning", {"finetune_steps": FINETUNE_STEPS}),
    (f"+ {MORE_STEPS} steps of fine-tuning", {"finetune_steps": MORE_STEPS}),
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
        minutes: No attempt begins later than this, and fine-tuning takes no more steps than fit;
            an attempt that has begun is finished.
        held_out: Photographs that the gate compares on; a quarter of the others unless given.
        started: Told what begins and in how many steps.

    Raises:
        AccuracyGateError: No attempt passed; nothing is written, and the message says how far
            each came.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    tried: list[str] = []
    best = replace(options, force=False)
    nearest: AccuracyGateError | None = None
    known = Known(end=end)
    for name, more in LADDER:
        if tried and end is not None and time.monotonic() >= end:
            tried.append(f"{minutes:g} minutes are up")
            break
        if "equalize_groups" in more and known.groups == 0:
            continue  # it would change nothing
        chosen = replace(best, **more)
        try:
            report = job.quantize(
                source,
                target,
                calibration,
                chosen,
                held_out=held_out,
                known=known,
                started=lambda what, total, name=name: started(f"{name}: {what}", total),  # type: ignore[misc]
            )
            return replace(report, attempts=tuple(tried))
        except AccuracyGateError as exc:
            if exc.figures is not None and _nothing_compared(exc.figures):
                raise  # the float file finds nothing: no step can mend that
            tried.append(f"{name}: {_figures(exc)}")
            if nearest is None or _distance(exc) < _distance(nearest):
                nearest, best = exc, chosen
        except UnsupportedOpError as exc:
            if nearest is None:
                raise  # not of a step: the network itself
            tried.append(f"{name}: {exc}")
    assert nearest is not None
    raise AccuracyGateError(
        f"no attempt passed the gate, nothing was written ({'; '.join(tried)}). Give more "
        "calibration photographs like those it will see, or wider bounds. The nearest was "
        f"{nearest}",
        nearest.figures,
    )


def _nothing_compared(figures: GateFigures) -> bool:
    return figures.people == 0 or (figures.shift_px is None and figures.recall is None)


def _figures(refusal: AccuracyGateError) -> str:
    """How far an attempt came."""
    figures = refusal.figures
    if figures is None:
        return "refused"
    said = []
    if figures.shift_px is not None:
        said.append(f"median {figures.shift_px:.2f} px, p95 {figures.p95_px:.2f} px")
    if figures.recall is not None:
        said.append(f"recall {figures.recall:.3f}")
    if figures.ap_drop is not None:
        said.append(f"loss of AP {figures.ap_drop:.3f}")
    return ", ".join(said) or "refused"


def _distance(refusal: AccuracyGateError) -> float:
    """What orders attempts: the shift, or for boxes the AP and the people lost."""
    figures = refusal.figures
    if figures is None:
        return float("inf")
    if figures.p95_px is not None:
        return figures.p95_px
    return (figures.ap_drop or 0.0) + 1 - (figures.recall or 0.0)
