"""What `bench` is to measure: every combination of what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import product
from typing import cast

import typer

from litepose_edge import backends
from litepose_edge.backends import Backend
from litepose_edge.backends.bundled import is_name
from litepose_edge.cli import options
from litepose_edge.measure.bench.runs.configuration import (
    SYNTHETIC,
    Configuration,
    EngineName,
    Precision,
)
from litepose_edge.threads import available_threads

DEFAULT, DEFAULT_MODEL = "default", "lrpose-s"
ENGINES = ("onnxruntime", "openvino", "onnxruntime-spinning")
SPINNING: EngineName = "onnxruntime-spinning"
PRECISIONS = ("int8", "fp32")
FOUND = "found"


class ModeName(str, Enum):
    """How frames follow one another."""

    THROUGHPUT = "throughput"
    PACED = "paced"


def configurations(
    models: Sequence[str],
    source: str,
    mode: ModeName,
    fps: float,
    *,
    backend: str,
    precision: str,
    threads: str | None,
    people: str | None,
    detector_size: int | None,
    spinning: bool,
) -> list[Configuration]:
    """Every combination; the first model on all CPUs is first: the others' baseline.

    Args:
        models: Names and paths; `default` is one.
        source: Where frames come from.
        mode: How they follow one another.
        fps: Frames a second when paced.
        backend: Engines, with commas.
        precision: Of bundled models, with commas; a file says its own.
        threads: Numbers, with commas; 1 and all CPUs unless given.
        people: Numbers of boxes, with commas, or `found`; as each model needs unless given.
        detector_size: Where people are found.
        spinning: When paced, measure ONNX Runtime's own default as well.

    Raises:
        BadParameter: One of them is none, or they do not go together.
        ModelError: A file cannot be used.
    """
    engines = cast(list[EngineName], _among(backend, ENGINES, "--backend"))
    precisions = cast(list[Precision], _among(precision, PRECISIONS, "--precision"))
    counts = [options.possible_threads(n) or n for n in _counts(threads, "--threads")]
    order = sorted(counts or {1, available_threads()}, reverse=True)
    wanted = list(engines)
    if spinning and mode is ModeName.PACED and "onnxruntime" in engines and SPINNING not in wanted:
        wanted.append(SPINNING)
    found: list[Configuration] = []
    for model in dict.fromkeys(DEFAULT_MODEL if m == DEFAULT else m for m in models):
        of_file = not is_name(model)
        numbers = _people(people, source, finds_people=_finds_people(model, engines[0]))
        # A path says its precision itself; asking for the other one would be an error.
        weights: list[Precision | None] = [None] if of_file else [*precisions]
        found += [
            Configuration(
                model=model,
                engine=engine,
                precision=chosen,
                threads=count,
                people=number,
                mode=mode.value,
                fps=fps,
                source=source,
                detector_size=detector_size if number is None else None,
            )
            for number, chosen, count, engine in product(numbers, weights, order, wanted)
            # One thread never waits, and the spinning engine runs the pose network alone.
            if not (
                engine == SPINNING and SPINNING not in engines and (count == 1 or number is None)
            )
        ]
    if detector_size is not None and all(c.people is not None for c in found):
        raise typer.BadParameter("--detector-size is for people that are found: add --people found")
    return found


def _finds_people(model: str, engine: EngineName) -> bool:
    """Whether a file's network takes no boxes; bundled ones all do."""
    backend: Backend = "openvino" if engine == "openvino" else "onnxruntime"
    return not is_name(model) and backends.find_model(model, backend=backend).manifest.finds_people


def _people(text: str | None, source: str, *, finds_people: bool) -> list[int | None]:
    """How many boxes are given; None for those the detector finds, or the network itself."""
    if text is None:
        return [1] if source == SYNTHETIC and not finds_people else [None]
    return [
        None if part.strip() == FOUND else _counts(part, "--people")[0] for part in text.split(",")
    ]


def _among(text: str, allowed: tuple[str, ...], option: str) -> list[str]:
    chosen = list(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in chosen:
        if name not in allowed:
            raise typer.BadParameter(f"{option}: '{name}' is none of {', '.join(allowed)}")
    return chosen


def _counts(text: str | None, option: str) -> list[int]:
    if text is None:
        return []
    counts = [int(part) if part.strip().isdigit() else 0 for part in text.split(",")]
    if min(counts) < 1:
        raise typer.BadParameter(f"{option}: expected numbers from 1 on such as 1,2, got '{text}'")
    return list(dict.fromkeys(counts))
