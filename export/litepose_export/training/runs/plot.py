"""Training runs as a picture: loss and AP over the steps (extra `plot`)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from litepose_edge.atomic_files import read_file, replacing
from litepose_export.errors import ExportError

INCHES = (9.0, 3.6)
DPI = 120
MOST_LOG_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Curve:
    """What a run logged: a value for every checkpoint, NaN where there is none."""

    name: str
    steps: list[float]
    loss: list[float]
    ap: list[float]


def read_log(path: Path) -> Curve:
    """A run's log, from its folder or the file itself.

    Raises:
        ExportError: There is no log, it is damaged, or it has no rows.
    """
    log = path / "log.csv" if path.is_dir() else path
    try:
        text = read_file(log, MOST_LOG_BYTES).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        steps = [float(row["step"]) for row in rows]
        loss, ap = ([_number(row.get(key)) for row in rows] for key in ("loss", "ap"))
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as exc:
        raise ExportError(f"cannot read the log of a training run from {log}: {exc}") from exc
    if not rows:
        raise ExportError(f"{log} has no checkpoints yet")
    return Curve(log.parent.name, steps, loss, ap)


def draw(paths: Sequence[Path], target: Path) -> None:
    """Draw runs beside each other; the suffix of the target decides between PNG and SVG."""
    curves = [read_log(path) for path in paths]
    figure = Figure(figsize=INCHES, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, quantity, title in ((left, "loss", "training loss"), (right, "ap", "AP on dev")):
        for curve in curves:
            values = getattr(curve, quantity)
            if not all(math.isnan(v) for v in values):
                axes.plot(curve.steps, values, marker=".", label=curve.name)
        axes.set(title=title, xlabel="steps")
        axes.grid(alpha=0.3)
    if any(not math.isnan(v) for curve in curves for v in curve.ap):
        right.set_ylim(bottom=0)
    left.legend()
    try:
        with replacing(target) as partial:
            figure.savefig(partial, dpi=DPI)
    except ValueError as exc:
        raise ExportError(f"cannot draw {target}: {exc}") from exc


def _number(text: str | None) -> float:
    return float(text) if text else math.nan
