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
    are. The noise floor of two reports is the larger one of theirs: what lies between two runs of
    one machine, such as its temperature, is not in it.
    """
    found = [{_key(r.configuration): r for r in one.report.results} for one in named]
    labels = {_key(r.configuration): r.label for one in named for r in one.report.results}
    return [
        Row(_label(key, labels[key]), _cells(named, [of_one.get(key) for of_one in found]))
        for key in labels
    ]


def _key(configuration: Configuration) -> tuple[object, ...]:
    c = configuration
    pace = c.fps if c.mode == "paced" else None
    file = c.source.replace("\\", "/").rpartition("/")[2]
    return (
        c.model_name, c.precision, c.engine, c.threads, c.people, pace, file, c.detector_size,
    )  # fmt: skip


def _label(key: tuple[object, ...], label: str) -> str:
    return label if key[5] is None else f"{label}, {key[5]:g} frames/s"


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
