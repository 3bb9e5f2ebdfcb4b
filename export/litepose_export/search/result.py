"""What a search found: the document that the report is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from litepose_edge.atomic_files import read_file, write_file
from litepose_export.errors import SearchError
from litepose_export.search.costs.table import CostTable
from litepose_export.search.pareto import pareto_front
from litepose_export.search.space import Genes, Space, Value

SCHEMA = 1
# A found network's whole cost by the budget, at most.
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """One judged network.

    Attributes:
        genes: Which.
        cost: By the cost table, in its unit.
        score: More is better; average precision unless `SearchResult.score_name` says otherwise.
    """

    genes: Genes
    cost: float
    score: float


@dataclass(frozen=True, slots=True)
class PlacedOperator:
    """One operator of the chosen network, for its diagram.

    Attributes:
        kind: What it computes.
        inputs: `(C, H, W)` of each tensor that it reads.
        cost: By itself.
    """

    kind: str
    inputs: tuple[tuple[int, int, int], ...]
    cost: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """The network that was found.

    Attributes:
        genes: Which.
        values: Its options by the names of the choices.
        architecture: The document that `--out`'s `network.json` holds.
        cost: By the cost table.
        measured: Of the whole network; None where it was not measured.
        score: As it was judged.
        operators: What it consists of.
    """

    genes: Genes
    values: dict[str, Value]
    architecture: dict[str, Any]
    cost: float
    measured: float | None
    score: float
    operators: tuple[PlacedOperator, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`result.json`.

    Attributes:
        search: Which search.
        kind: What costs are.
        unit: Of costs.
        processor: Where they were measured.
        budget: What was asked for.
        seed: What was drawn from.
        choices: Options by the names of the choices, in the genes' order.
        chosen: The network that was found.
        candidates: All that were judged, in order.
        front: Numbers of those on the Pareto front, by rising cost.
        figures: Further figures of the search, by name, such as rank correlations.
        settings: What the search was asked for.
        score_name: What scores are.
    """

    search: str
    kind: str
    unit: str
    processor: str
    budget: float
    seed: int
    choices: dict[str, list[Value]]
    chosen: Chosen
    candidates: tuple[Candidate, ...]
    front: tuple[int, ...]
    figures: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    score_name: str = "AP on dev"

    def to_json(self) -> str:
        """The document."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        write_file(path, self.to_json().encode())


def make_result(
    space: Space,
    table: CostTable,
    candidates: Sequence[tuple[Genes, float]],
    chosen: Genes,
    *,
    budget: float,
    seed: int,
    measured: float | None = None,
    figures: Mapping[str, float] | None = None,
    settings: Mapping[str, Any] | None = None,
    score_name: str = "AP on dev",
) -> SearchResult:
    """The result of a search.

    Args:
        space: Where it searched.
        table: What operators cost.
        candidates: All judged ones with their scores; the chosen one is among them.
        chosen: The one that was found.
        budget: What was asked for.
        seed: What was drawn from.
        measured: What the chosen network costs as a whole.
        figures: Further ones.
        settings: What the search was asked for.
        score_name: What scores are.
    """
    judged = [Candidate(genes, table.of(space, genes), score) for genes, score in candidates]
    found = next(each for each in judged if each.genes == chosen)
    return SearchResult(
        search=space.name,
        kind=table.kind,
        unit=table.unit,
        processor=table.processor,
        budget=budget,
        seed=seed,
        choices={choice.name: list(choice.options) for choice in space.choices},
        chosen=Chosen(
            genes=chosen,
            values=space.decode(chosen),
            architecture=space.architecture(chosen),
            cost=found.cost,
            measured=measured,
            score=found.score,
            operators=tuple(
                PlacedOperator(o.kind, o.inputs, table.of_operator(o))
                for o in space.operators(chosen)
            ),
        ),
        candidates=tuple(judged),
        front=tuple(pareto_front([c.cost for c in judged], [c.score for c in judged])),
        figures=dict(figures or {}),
        settings=dict(settings or {}),
        score_name=score_name,
    )


def read_result(path: Path) -> SearchResult:
    """A search's result from its file.

    Raises:
        SearchError: It cannot be read, or is no such document.
    """
    try:
        content = json.loads(read_file(path))
        if content.pop("schema") != SCHEMA:
            raise SearchError(f"{path} is of another version: search again with this one")
        return msgspec.convert(content, SearchResult)
    except SearchError:
        raise
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as exc:
        raise SearchError(f"{path} is no result of a search: {exc}") from exc
