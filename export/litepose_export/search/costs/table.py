"""The cost table of a processor: what each operator costs, and networks by their sums."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from litepose_edge.atomic_files import read_file, write_file
from litepose_export.errors import SearchError
from litepose_export.search.costs.correction import Agreement, Correction
from litepose_export.search.space import Genes, Operator, Space

CostKind = Literal["int8-latency", "fp32-latency", "macs", "arm-instructions"]
UNITS: dict[CostKind, str] = {
    "int8-latency": "ms",
    "fp32-latency": "ms",
    "macs": "million multiply-accumulates",
    "arm-instructions": "million instructions",
}
SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """What one operator costs.

    Attributes:
        cost: In the table's unit.
        noise: By how much, as a part of it, it may be wrong; 0 where it is counted.
    """

    cost: float
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """A whole network that was measured with the table, to be measured again beside others.

    Attributes:
        genes: Which.
        cost: In the table's unit.
    """

    genes: Genes
    cost: float


@dataclass(frozen=True, slots=True)
class CostTable:
    """What operators cost on one processor.

    Attributes:
        kind: What is counted or timed.
        processor: Where.
        entries: By the operators' keys.
        correction: From sums to whole networks.
        agreement: With measured networks that the correction was not fitted to; None if there was
            no such check.
        versions: Of what the costs depend on, such as ONNX Runtime.
        anchors: Of the space that was measured last; none where costs are counted.
    """

    kind: CostKind
    processor: str
    entries: dict[str, Entry] = field(default_factory=dict)
    correction: Correction = field(default_factory=Correction)
    agreement: Agreement | None = None
    versions: dict[str, str] = field(default_factory=dict)
    anchors: tuple[Anchor, ...] = ()

    @property
    def unit(self) -> str:
        """What costs are in."""
        return UNITS[self.kind]

    @property
    def noise(self) -> float:
        """The middle noise of the entries."""
        noises = sorted(entry.noise for entry in self.entries.values())
        return noises[len(noises) // 2] if noises else 0.0

    def missing(self, operators: Iterable[Operator]) -> list[Operator]:
        """Those that have no entry, each once."""
        return list({o.key: o for o in operators if o.key not in self.entries}.values())

    def of_operator(self, operator: Operator) -> float:
        """An operator's cost, by itself.

        Raises:
            SearchError: It was not measured.
        """
        entry = self.entries.get(operator.key)
        if entry is None:
            raise SearchError(
                f"the cost table of {self.processor} has no entry for '{operator.key}': "
                "measure the space again"
            )
        return entry.cost

    def of_operators(self, operators: Sequence[Operator]) -> float:
        """The cost of the network that consists of these operators, corrected."""
        total = sum(self.of_operator(operator) for operator in operators)
        return self.correction.apply(total, len(operators))

    def of(self, space: Space, genes: Genes) -> float:
        """The cost of a space's network, corrected."""
        return self.of_operators(space.operators(genes))

    def with_entries(self, entries: dict[str, Entry]) -> CostTable:
        """The table with further entries."""
        return replace(self, entries={**self.entries, **entries})

    def to_json(self) -> str:
        """The document, operators in order of their names."""
        content = {"schema": SCHEMA, "unit": self.unit, "noise": self.noise, **asdict(self)}
        content["entries"] = dict(sorted(content["entries"].items()))
        return json.dumps(content, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write `costs.json`, whole or not at all."""
        write_file(path, self.to_json().encode())


def read_costs(path: Path) -> CostTable:
    """A cost table from its file.

    Raises:
        SearchError: It cannot be read, or is no cost table.
    """
    try:
        content: dict[str, Any] = json.loads(read_file(path))
        if content.get("schema") != SCHEMA:
            raise SearchError(
                f"{path} has schema {content.get('schema')!r:.20}, this version reads {SCHEMA}: "
                "measure again into another file"
            )
        known = {name: content[name] for name in CostTable.__dataclass_fields__}
        return msgspec.convert(known, CostTable)
    except SearchError:
        raise
    except (OSError, ValueError, KeyError, AttributeError, msgspec.ValidationError) as exc:
        raise SearchError(
            f"{path} is no cost table: {exc}; measure again into another file"
        ) from exc
