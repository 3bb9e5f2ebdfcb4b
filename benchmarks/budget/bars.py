"""Figures of the performance budget beside their bars: what a benchmark prints and hands on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NAME_WIDTH = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One figure and what it must reach.

    Attributes:
        name: What was measured.
        limit: The bar.
        figure: What came out; None where it could not be measured.
        at_least: Whether the bar is a lower one.
        unit: Of figure and limit.
        reason: Why there is no figure; None where there is one.
    """

    name: str
    limit: float
    figure: float | None = None
    at_least: bool = False
    unit: str = ""
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.figure is None) == (self.reason is None):
            raise ValueError(f"{self.name}: a bar has a figure or a reason for having none")
        if self.figure is not None and not math.isfinite(self.figure):
            raise ValueError(f"{self.name}: {self.figure} is no figure")

    @property
    def is_missed(self) -> bool:
        """Whether it was measured and falls short."""
        if self.figure is None:
            return False
        return self.figure < self.limit if self.at_least else self.figure > self.limit

    @property
    def verdict(self) -> str:
        """What is said about it."""
        if self.figure is None:
            return f"no data: {self.reason}"
        return "not reached" if self.is_missed else "reached"

    def line(self) -> str:
        """Name, figure, bar and verdict in columns."""
        figure = "-" if self.figure is None else f"{self.figure:.3g}"
        bar = f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit}"
        return f"{self.name:{NAME_WIDTH}}{figure:>8}  {bar:15}{self.verdict}"


def without(bars: Sequence[Bar], reason: str) -> list[Bar]:
    """The same bars, for a machine on which they cannot be measured."""
    return [
        Bar(name=b.name, limit=b.limit, at_least=b.at_least, unit=b.unit, reason=reason)
        for b in bars
    ]


def finish(report: dict[str, Any], bars: Sequence[Bar], path: Path | None) -> None:
    """Print the bars' lines, and write them with the report.

    Args:
        report: The benchmark's own figures.
        bars: Its rows of the budget.
        path: A JSON file, or None to write nothing.
    """
    for bar in bars:
        print(bar.line())
    if path is not None:
        document = {**report, "bars": [asdict(bar) for bar in bars]}
        path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")


def read(path: Path) -> list[Bar]:
    """The bars in a benchmark's JSON file."""
    return [Bar(**entry) for entry in json.loads(path.read_text())["bars"]]
