"""Measures what the operators of a space cost, and how their sums agree with whole networks."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import torch

from litepose_edge.measure.machine.processor import describe_processor
from litepose_export.errors import SearchError
from litepose_export.quantization.calibration.qdq import Scheme
from litepose_export.search.costs import forms, graphs
from litepose_export.search.costs.correction import Agreement, agreement, fit
from litepose_export.search.costs.table import Anchor, CostKind, CostTable, Entry, read_costs
from litepose_export.search.costs.timing import time_graphs
from litepose_export.search.space import Genes, Operator, Space

# Whole networks that the correction is fitted to, and others that it is checked on.
FITTED, CHECKED = 12, 20
ANCHORS = 3
SEED = 7
Advance = Callable[[], None]
Started = Callable[[str, int], Advance]


class Meter(Protocol):
    """Says what graphs cost."""

    def __call__(
        self, graphs: Mapping[str, onnx.ModelProto], advance: Advance, *, warm: bool = False
    ) -> dict[str, Entry]:
        """Costs by name, `advance` called once a graph; `warm`: of networks in use."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """How costs are measured.

    Attributes:
        kind: What is counted or timed.
        meter: Of graphs; None for multiply-accumulates, which need none.
        processor: Where it measures.
        integer: Whether graphs are quantized before.
        scheme: Their number formats; this machine's where it is None.
    """

    kind: CostKind
    meter: Meter | None
    processor: str
    integer: bool
    scheme: Scheme | None = None


def measuring_of(kind: CostKind, counter: str | None = None, processor: str = "") -> Measuring:
    """How costs of a kind are measured.

    Args:
        kind: What is counted or timed.
        counter: For `"arm-instructions"`, the command that counts (`CommandMeter`).
        processor: Its processor's name.

    Raises:
        SearchError: There is no counter where one is needed, or it is no command.
    """
    match kind:
        case "macs":
            return Measuring(kind, None, "any", integer=False)
        case "int8-latency" | "fp32-latency":
            here = describe_processor()
            return Measuring(kind, time_meter, here.name, integer=kind == "int8-latency")
    if not counter:
        raise SearchError(
            "arm-instructions are counted by the command that --counter names; in a checkout: "
            '--counter "python -m benchmarks.arm.count_files --processor cortex-a72"'
        )
    meter = CommandMeter(counter)
    return Measuring(kind, meter, processor or counter, integer=True, scheme="s8s8")


def time_meter(
    graphs: Mapping[str, onnx.ModelProto], advance: Advance, *, warm: bool = False
) -> dict[str, Entry]:
    """Times on this machine, on one thread."""
    found = time_graphs(graphs, advance, warm=warm)
    return {name: Entry(round(t.ms, 6), round(t.noise, 4)) for name, t in found.items()}


@dataclass(frozen=True, slots=True)
class CommandMeter:
    """Costs that a command says: it is given a folder, and prints JSON, costs by file name.

    The folder holds ONNX files with fixed shapes, whose inputs are float32 or 8-bit codes. Costs
    are instructions; the table holds millions.

    Attributes:
        command: As a shell would split it; the folder is appended.

    Raises:
        SearchError: It cannot be split.
    """

    command: str

    def __post_init__(self) -> None:
        self._words()

    def _words(self) -> list[str]:
        try:
            words = shlex.split(self.command)
        except ValueError as exc:
            raise SearchError(f"--counter is no command, got {self.command!r:.200}: {exc}") from exc
        if not words:
            raise SearchError("--counter is empty: name the command that counts")
        return words

    def __call__(
        self, graphs: Mapping[str, onnx.ModelProto], advance: Advance, *, warm: bool = False
    ) -> dict[str, Entry]:
        """Costs by name.

        Raises:
            SearchError: The command fails, or leaves out a file.
        """
        with tempfile.TemporaryDirectory() as folder:
            files = {f"{i:05}.onnx": name for i, name in enumerate(graphs)}
            for file, name in files.items():
                onnx.save(graphs[name], Path(folder, file))
            command = [*self._words(), folder]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                costs = {file: float(cost) for file, cost in json.loads(done.stdout).items()}
                found = {name: Entry(costs[file] / 1e6) for file, name in files.items()}
            except subprocess.CalledProcessError as exc:
                last = (exc.stderr.strip() or "no message").splitlines()[-1]
                raise SearchError(f"'{self.command}' failed ({exc.returncode}): {last}") from exc
            except (OSError, ValueError, KeyError, AttributeError) as exc:
                raise SearchError(
                    f"'{self.command}' should print a JSON object of costs by file name: {exc!r}"
                ) from exc
        for _ in found:
            advance()
        return found


def measure_operators(
    table: CostTable, operators: Sequence[Operator], how: Measuring, started: Started
) -> CostTable:
    """The table with entries for all these operators; those that are there stay."""
    missing = table.missing(operators)
    if not missing:
        return table
    if how.meter is None:
        advance = started("count operators", len(missing))
        entries = {}
        for operator in missing:
            with torch.device("meta"):  # shapes are all that counts
                network = operator.build()
            entries[operator.key] = Entry(graphs.macs_of(network, operator.inputs) / 1e6)
            advance()
        return table.with_entries(entries)
    advance = started("write operators", len(missing))
    made = {}
    for operator in missing:
        made[operator.key] = operator_graph(operator, integer=how.integer, scheme=how.scheme)
        advance()
    return table.with_entries(how.meter(made, started("measure operators", len(made))))


def operator_graph(
    operator: Operator, *, integer: bool, scheme: Scheme | None = None
) -> onnx.ModelProto:
    """An operator by itself, as it is in a network."""
    graph = graphs.write_graph(operator.build(), operator.inputs, rewrite_deconvolutions=True)
    if not integer:
        return graph
    return forms.int8_form(
        graph, scheme=scheme, codes_in=not operator.is_first, codes_out=not operator.is_last
    )


def network_graph(
    space: Space, genes: Genes, *, integer: bool, scheme: Scheme | None = None
) -> onnx.ModelProto:
    """A whole network."""
    size = space.input_size(genes)
    graph = graphs.write_graph(
        space.build(genes), [(3, size.height, size.width)], rewrite_deconvolutions=True
    )
    return forms.int8_form(graph, scheme=scheme) if integer else graph


def measure_networks(
    space: Space, candidates: Sequence[Genes], how: Measuring, started: Started
) -> list[float]:
    """What whole networks cost, in the table's unit."""
    if how.meter is None:
        advance = started("count networks", len(candidates))
        found = []
        for genes in candidates:
            size = space.input_size(genes)
            macs = graphs.macs_of(space.build(genes), [(3, size.height, size.width)])
            found.append(macs / 1e6)
            advance()
        return found
    advance = started("write networks", len(candidates))
    made = {}
    for i, genes in enumerate(candidates):
        made[str(i)] = network_graph(space, genes, integer=how.integer, scheme=how.scheme)
        advance()
    entries = how.meter(made, started("measure networks", len(made)), warm=True)
    return [entries[str(i)].cost for i in range(len(candidates))]


def measure_beside(
    table: CostTable, space: Space, candidates: Sequence[Genes], how: Measuring, started: Started
) -> list[float]:
    """What whole networks cost at the speed that the processor had when the table was measured.

    Processors change their speed from minute to minute, by heat, by what else they run, by whom
    they are shared with. The table's anchors are measured in turns with the candidates, whose
    costs are scaled as theirs have changed.

    Args:
        table: Of the space.
        space: Whose networks.
        candidates: Which.
        how: What is measured.
        started: Told of each step.
    """
    anchors = table.anchors if how.kind.endswith("latency") else ()
    wanted = [*candidates, *(anchor.genes for anchor in anchors)]
    found = measure_networks(space, wanted, how, started)
    costs, now = found[: len(candidates)], found[len(candidates) :]
    if not anchors:
        return costs
    ratios = [anchor.cost / cost for anchor, cost in zip(anchors, now, strict=True)]
    return [cost * float(np.median(ratios)) for cost in costs]


def measure_space(
    space: Space,
    how: Measuring,
    started: Started,
    table: CostTable | None = None,
    *,
    fitted: int = FITTED,
    checked: int = CHECKED,
    seed: int = SEED,
) -> CostTable:
    """The cost table of a space: all operators, a fitted correction, and how well it predicts.

    Args:
        space: Which.
        how: What is measured.
        started: Told of each step.
        table: What is known already, such as of an earlier space.
        fitted: Whole networks that the correction is fitted to.
        checked: Others that it is checked on; 0 for no check.
        seed: Of the networks.

    Raises:
        SearchError: The table known is of another kind, processor or ONNX Runtime.
    """
    table = table or CostTable(how.kind, how.processor, versions=_versions())
    if (table.kind, table.processor) != (how.kind, how.processor):
        raise SearchError(
            f"the cost table is of {table.kind} on {table.processor}, expected {how.kind} on "
            f"{how.processor}: name another file"
        )
    if not _of_this_engine(table):
        raise SearchError(
            f"the cost table was measured with {_named(table.versions)}, and this is "
            f"{_named(_versions())}: name another file"
        )
    table = measure_operators(table, space.all_operators(), how, started)
    rng = np.random.default_rng(seed)
    chosen = _different(space, rng, fitted + checked)
    if how.meter is None:  # sums of counts are exact
        return replace(table, agreement=None)
    measured = measure_networks(space, chosen, how, started)
    parts = [space.operators(genes) for genes in chosen]
    totals = [sum(table.of_operator(o) for o in each) for each in parts]
    counts = [len(each) for each in parts]
    last = len(chosen) - min(checked, max(len(chosen) - 3, 0))
    table = replace(
        table,
        correction=fit(totals[:last], counts[:last], measured[:last]),
        anchors=tuple(map(Anchor, chosen[:ANCHORS], measured[:ANCHORS])),
    )
    compared: Agreement | None = None
    if last < len(chosen):
        predicted = [table.correction.apply(t, n) for t, n in zip(totals, counts, strict=True)]
        compared = agreement(predicted[last:], measured[last:])
    return replace(table, agreement=compared)


def _different(space: Space, rng: np.random.Generator, count: int) -> list[Genes]:
    """Random networks, none twice; fewer where the space has fewer."""
    found: dict[Genes, None] = {}
    for _ in range(20 * count):
        found[space.random(rng)] = None
        if len(found) == count:
            break
    return list(found)


def _of_this_engine(table: CostTable) -> bool:
    """Whether its times are those of the ONNX Runtime that is installed; counts are anyone's."""
    return not table.kind.endswith("latency") or table.versions == _versions()


def _named(versions: dict[str, str]) -> str:
    return (
        ", ".join(f"{name} {version}" for name, version in versions.items()) or "unknown versions"
    )


def _versions() -> dict[str, str]:
    return {"onnxruntime": importlib.metadata.version("onnxruntime")}


def _is_of(table: CostTable, space: Space) -> bool:
    """Whether it has the costs of a space's operators, and anchors of that space."""
    try:
        for anchor in table.anchors:
            space.check(anchor.genes)
    except SearchError:
        return False
    return not table.missing(space.all_operators())


def cost_table(space: Space, how: Measuring, path: Path, started: Started) -> CostTable:
    """The cost table of a space, kept in a file: what is there is not measured again.

    Args:
        space: Which.
        how: What is measured.
        path: `costs.json`; of another space on the same processor, too.
        started: Told of each step.

    Raises:
        SearchError: The file is of another kind or processor, or no cost table.
        OutputError: It cannot be written.
    """
    table = read_costs(path) if path.exists() else None
    known = table is not None and (table.kind, table.processor) == (how.kind, how.processor)
    known = known and table is not None and _of_this_engine(table)
    if table is not None and known and _is_of(table, space):
        return table
    table = measure_space(space, how, started, table)
    table.save(path)
    return table
