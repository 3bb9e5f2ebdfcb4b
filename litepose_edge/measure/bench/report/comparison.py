"""Several reports side by side: boards, commits, versions of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from litepose_edge.measure.bench.report.document import Report, Result
from litepose_edge.measure.bench.report.noise import Comparison, NoiseFloor, compare
from litepose_edge.measure.bench.runs.configuration import Configuration


@dataclass(frozen=True, slots=True)
class NamedReport:
    """A report and what it is called beside the others.

    Attributes:
        name: Of its file, or of the folder where files are called the same.
        report: What was measured.
    """

    name: str
    report: Report


@dataclass(frozen=True, slots=True)
class Cell:
    """One configuration in one report.

    Attributes:
        result: Its figures; None where the report has none.
        frame: Its median frame against the first report that has one; None there.
        cpu: Its CPU time a frame, likewise.
    """

    result: Result | None
    frame: Comparison | None = None
    cpu: Comparison | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration in all reports, in their order."""

    label: str
    cells: tuple[Cell, ...]


def rows_of(named: Sequence[NamedReport]) -> list[Row]:
    """Every configuration of any report, the first report's first.

    Configurations are the same where model, precision, engine, threads, people, pace and source
    are. Reports of different models have none in common: there the models are compared. The noise
    floor of two reports is the larger one of theirs: what lies between two runs of one machine,
    such as its temperature, is not in it.
    """
    key_of = _work if _are_of_other_models(named) else _key
    found = [{key_of(r.configuration): r for r in one.report.results} for one in named]
    keys = dict.fromkeys(key for of_one in found for key in of_one)
    rows = []
    for key in keys:
        results = [of_one.get(key) for of_one in found]
        rows.append(Row(_label([r for r in results if r is not None]), _cells(named, results)))
    return rows


def _are_of_other_models(named: Sequence[NamedReport]) -> bool:
    """Whether no two reports have a model in common, and each has one."""
    models = [{_model(r.configuration) for r in one.report.results} for one in named]
    return len(set().union(*models)) == len(models) and all(len(each) == 1 for each in models)


def _model(configuration: Configuration) -> tuple[object, ...]:
    return configuration.model_name, configuration.precision


def _work(configuration: Configuration) -> tuple[object, ...]:
    c = configuration
    file = c.source.replace("\\", "/").rpartition("/")[2]
    return c.engine, c.threads, c.people, _pace(c), file, c.detector_size


def _key(configuration: Configuration) -> tuple[object, ...]:
    return *_model(configuration), *_work(configuration)


def _pace(configuration: Configuration) -> float | None:
    return configuration.fps if configuration.mode == "paced" else None


def _label(results: Sequence[Result]) -> str:
    """Of a row's first result, with the models of all of them."""
    weights = [" ".join(str(p) for p in _model(r.configuration) if p) for r in results]
    first = results[0].configuration
    label = results[0].label.removeprefix(weights[0])
    pace = _pace(first)
    return " | ".join(dict.fromkeys(weights)) + label + (f", {pace:g} frames/s" if pace else "")


def _cells(named: Sequence[NamedReport], results: Sequence[Result | None]) -> tuple[Cell, ...]:
    """The first with figures is what the later ones are compared with."""
    first: tuple[Report, Result] | None = None
    cells = []
    for one, result in zip(named, results, strict=True):
        if result is None or result.frame_ms is None or first is None:
            if first is None and result is not None and result.frame_ms is not None:
                first = one.report, result
            cells.append(Cell(result))
            continue
        reports = (first[0], one.report)
        cells.append(
            Cell(
                result,
                _compared(reports, first[1].repeats_ms, result.repeats_ms, _frame_floor),
                _compared(reports, first[1].repeats_cpu_ms, result.repeats_cpu_ms, _cpu_floor),
            )
        )
    return tuple(cells)


def _compared(
    reports: tuple[Report, Report],
    first: Sequence[float],
    other: Sequence[float],
    floor_of: Callable[[Report], NoiseFloor | None],
) -> Comparison | None:
    floors = [floor for report in reports if (floor := floor_of(report)) is not None]
    if not floors or min(len(first), len(other)) < 2:
        return None
    return compare(first, other, max(floors, key=lambda floor: floor.relative))


def _frame_floor(report: Report) -> NoiseFloor | None:
    return None if report.noise is None else report.noise.frame


def _cpu_floor(report: Report) -> NoiseFloor | None:
    return None if report.noise is None else report.noise.cpu
