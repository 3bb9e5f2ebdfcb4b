"""What a search is asked for, and where its progress goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from litepose_export.errors import SearchError
from litepose_export.search.costs.table import CostKind
from litepose_export.training.data.people import data_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchJob:
    """What every search is asked for.

    Attributes:
        data: COCO keypoint files to learn from.
        dev: COCO keypoint file that candidates are scored on.
        images: Folders of the photographs; `images/` beside each file if empty.
        folder: Everything the search writes goes here.
        kind: What is counted or timed.
        budget: What the network may cost at most, in the kind's unit.
        steps: Optimiser steps of the whole search, or None.
        minutes: In place of steps: about how long it trains.
        seed: Of weights, samples and candidates.
        threads: CPU threads of PyTorch, or None for its default.
        batch: Samples a step, or None for the search's own.
        init: Weights to start from, or None.
    """

    data: tuple[Path, ...]
    dev: Path
    images: tuple[Path, ...] = ()
    folder: Path
    kind: CostKind
    budget: float
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    threads: int | None = None
    batch: int | None = None
    init: Path | None = None

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise SearchError(f"the budget must be above 0, got {self.budget}")
        if (self.steps is None) == (self.minutes is None):
            raise SearchError("give one of --steps, which repeat exactly, and --minutes")

    def fingerprint(self) -> dict[str, Any]:
        """What decides the answer, for the record and to know a folder's search again.

        Raises:
            ExportError: Labels or weights cannot be read.
        """
        left_out = ("folder", "images", "threads", "data", "dev", "init")
        plain = {name: value for name, value in asdict(self).items() if name not in left_out}
        return plain | {
            "data": [path.name for path in self.data],
            "dev": self.dev.name,
            "init": None if self.init is None else self.init.name,
            "init_sha256": None if self.init is None else data_hash((self.init,)),
            "data_sha256": data_hash((*self.data, self.dev)),
        }


@dataclass(frozen=True, slots=True)
class SearchDisplay:
    """Where a search's progress goes.

    Attributes:
        started: `started(what, total)` announces a step; what it returns is called once for each
            of `total` parts.
        noted: Told what is worth a word beside the bar, such as the loss or the best candidate.
    """

    started: Callable[[str, int], Callable[[], None]]
    noted: Callable[[str], None] = lambda _: None


SILENT = SearchDisplay(started=lambda _, __: lambda: None)
