"""Detector outputs to boxes in input pixels: one pure function for each style of head.

All read the person scores first and decode the boxes of promising cells only. Boxes come in
this project's coordinates, where the middle of the first pixel is 0 and its edge -0.5.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import (
    EDGES,
    MIDDLE,
    Activation,
    DecodedFormat,
    GflFormat,
    RtmdetFormat,
    YoloxFormat,
)

# Logarithm of the largest size in strides: keeps exp() of a wild output finite.
MAX_LOG_DISTANCE = 6.0
FASTESTDET_POWERS = np.array([0.6, 0.4], np.float32)


def decode_levels(
    levels: list[Float32], strides: tuple[int, ...], min_score: float
) -> tuple[Float32, Float32]:
    """Boxes of the cells that score high enough, of our own detector.

    Args:
        levels: One `(1, 5, h, w)` float32 a level: logit, then the logarithms of the distances
            to the left, top, right and bottom edge in strides.
        strides: Input pixels a cell of each level.
        min_score: Cells below are skipped.

    Returns:
        boxes: `(N, 4)` float32 xyxy in input pixels.
        scores: `(N,)` float32 in `[0, 1]`.
    """
    least = _least(min_score, "sigmoid")
    boxes, scores = [], []
    for level, stride in zip(levels, strides, strict=True):
        y, x = np.nonzero(level[0, 0] >= least)
        values = level[0][:, y, x]
        away = np.exp(np.minimum(values[1:], MAX_LOG_DISTANCE)) * stride
        cx, cy = (x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5
        boxes.append(np.stack([cx - away[0], cy - away[1], cx + away[2], cy + away[3]], axis=1))
        scores.append(_activate(values[0], "sigmoid"))
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores).astype(np.float32)


def decode_yolox(
    output: Float32,
    input_size: Size,
    strides: tuple[int, ...],
    output_format: YoloxFormat,
    *,
    person: int,
    min_score: float,
) -> tuple[Float32, Float32]:
    """Boxes from YOLOX's raw grid.

    Args:
        output: `(1, N, 5 + classes)` float32.
        input_size: Size of the network's input.
        strides: Input pixels a cell of each level.
        output_format: The head's conventions.
        person: Index of the class that is people.
        min_score: Cells below are skipped.

    Returns:
        boxes: `(P, 4)` float32 xyxy in input pixels.
        scores: `(P,)` float32 in `[0, 1]`.
    """
    table = _rows(output)
    corners, stride = _cells(input_size, strides, 0.0)
    _expect(len(table), len(corners), "rows", strides)
    scores = _activate(_column(table, 4), output_format.activation)
    scores = scores * _activate(_column(table, 5 + person), output_format.activation)
    kept = np.flatnonzero(scores >= _least(min_score, "linear"))
    values, px = table[kept], stride[kept, None]
    middle = corners[kept] + values[:, :2] * px
    half = np.exp(np.minimum(values[:, 2:4], MAX_LOG_DISTANCE)) * (px / 2)
    return _from_edges(middle - half, middle + half), scores[kept]


def decode_gfl(
    outputs: list[Float32],
    input_size: Size,
    strides: tuple[int, ...],
    output_format: GflFormat,
    *,
    person: int,
    min_score: float,
) -> tuple[Float32, Float32]:
    """Boxes whose distances are distributions over steps of a stride (arXiv 2006.04388).

    Args:
        outputs: One table of everything, or class scores then distances of each level.
        input_size: Size of the network's input.
        strides: Input pixels a cell of each level.
        output_format: The head's conventions.
        person: Index of the class that is people.
        min_score: Cells below are skipped.

    Returns:
        boxes: `(P, 4)` float32 xyxy in input pixels.
        scores: `(P,)` float32 in `[0, 1]`.
    """
    if len(outputs) == 1:
        table = _rows(outputs[0])
        classes, distances = (
            [table[:, : -4 * output_format.bins]],
            [table[:, -4 * output_format.bins :]],
        )
    else:
        tables = [_rows(output) for output in outputs]
        classes, distances = tables[: len(strides)], tables[len(strides) :]
    if distances[0].shape[1] != 4 * output_format.bins:
        raise ManifestError(
            f"the detector's distances have {distances[0].shape[1]} columns, the manifest says "
            f"4 x {output_format.bins} bins"
        )
    points, stride = _cells(input_size, strides, output_format.cell_offset)
    kept, scores = _choose(
        classes, len(points), output_format.activation, person, min_score, strides
    )
    _expect_same_levels(classes, distances)
    values = _pick(distances, kept).reshape(-1, 4, output_format.bins)
    weights = np.exp(values - values.max(axis=2, keepdims=True))
    steps = np.arange(output_format.bins, dtype=np.float32)
    away = (weights @ steps) / weights.sum(axis=2) * stride[kept, None]
    return _from_edges(points[kept] - away[:, :2], points[kept] + away[:, 2:]), scores


def decode_rtmdet(
    outputs: list[Float32],
    input_size: Size,
    strides: tuple[int, ...],
    output_format: RtmdetFormat,
    *,
    person: int,
    min_score: float,
) -> tuple[Float32, Float32]:
    """Boxes from plain distances to the edges.

    Args:
        outputs: Class scores of each level, then distances of each level.
        input_size: Size of the network's input.
        strides: Input pixels a cell of each level.
        output_format: The head's conventions.
        person: Index of the class that is people.
        min_score: Cells below are skipped.

    Returns:
        boxes: `(P, 4)` float32 xyxy in input pixels.
        scores: `(P,)` float32 in `[0, 1]`.
    """
    tables = [_rows(output) for output in outputs]
    points, stride = _cells(input_size, strides, output_format.cell_offset)
    kept, scores = _choose(
        tables[: len(strides)], len(points), output_format.activation, person, min_score, strides
    )
    _expect_same_levels(tables[: len(strides)], tables[len(strides) :])
    away = _pick(tables[len(strides) :], kept)
    if away.shape[1] != 4:
        raise ManifestError(f"expected 4 distances a cell, the detector gives {away.shape[1]}")
    if output_format.distances == "strides":
        away = away * stride[kept, None]
    return _from_edges(points[kept] - away[:, :2], points[kept] + away[:, 2:]), scores


def decode_fastestdet(
    output: Float32, input_size: Size, strides: tuple[int, ...], *, person: int, min_score: float
) -> tuple[Float32, Float32]:
    """Boxes from FastestDet's one map.

    Args:
        output: `(1, 5 + classes, h, w)` float32.
        input_size: Size of the network's input.
        strides: Input pixels a cell.
        person: Index of the class that is people.
        min_score: Cells below are skipped.

    Returns:
        boxes: `(P, 4)` float32 xyxy in input pixels.
        scores: `(P,)` float32 in `[0, 1]`.
    """
    table = _rows(output)
    corners, stride = _cells(input_size, strides, 0.0)
    _expect(len(table), len(corners), "cells", strides)
    of_object, of_class = FASTESTDET_POWERS
    objectness, of_person = _column(table, 0), _column(table, 5 + person)
    scores: Float32 = np.maximum(objectness, 0) ** of_object * np.maximum(of_person, 0) ** of_class
    kept = np.flatnonzero(scores >= _least(min_score, "linear"))
    values = table[kept]
    middle = corners[kept] + np.tanh(values[:, 1:3]) * stride[kept, None]
    half = _activate(values[:, 3:5], "sigmoid") * _extent(input_size) / 2
    return _from_edges(middle - half, middle + half), scores[kept]


def decode_decoded(
    outputs: dict[str, NDArray[Any]],
    input_size: Size,
    output_format: DecodedFormat,
    *,
    person: int,
    min_score: float,
) -> tuple[Float32, Float32]:
    """Boxes that the graph has decoded; those of other classes are left out.

    Args:
        outputs: The table of boxes, then scores and labels as far as the table has none.
        input_size: Size of the network's input.
        output_format: The table's conventions.
        person: Label, or index of the class column, that is people.
        min_score: Boxes below are skipped.

    Returns:
        boxes: `(P, 4)` float32 xyxy in input pixels.
        scores: `(P,)` float32 in `[0, 1]`.
    """
    table, *others = _tables(outputs, output_format)
    place: dict[str, int] = {name: i for i, name in enumerate(output_format.columns)}
    named = len(output_format.columns)
    if table.shape[1] < named:
        raise ManifestError(
            f"the detector's table of shape {table.shape} lacks some of the columns "
            f"{', '.join(output_format.columns)}"
        )
    if "score" in place:
        scores = table[:, place["score"]]
    elif table.shape[1] > named:
        scores = _column(table[:, named:], person)
    elif others:
        given = others.pop(0)
        scores = given[:, 0] if others or "label" in place else _column(given, person)
    else:
        raise ManifestError("the detector gives no scores: no column and no output holds them")
    scores = _activate(_same_length(scores, table), output_format.activation)
    if "objectness" in place:
        scores = scores * _activate(table[:, place["objectness"]], output_format.activation)
    wanted = scores >= _least(min_score, "linear")
    if "label" in place:
        wanted &= table[:, place["label"]] == person
    elif others:
        wanted &= _same_length(others[0][:, 0], table) == person
    return _placed(table[wanted], place, input_size, output_format.unit), scores[wanted]


def _placed(table: Float32, place: dict[str, int], input_size: Size, unit: str) -> Float32:
    """Boxes from the columns that hold their edges, or their middles and sizes."""
    first: NDArray[Any]
    second: NDArray[Any]
    if place.keys() >= EDGES:
        first, second = table[:, [place["x1"], place["y1"]]], table[:, [place["x2"], place["y2"]]]
    else:
        assert place.keys() >= MIDDLE
        middle = table[:, [place["cx"], place["cy"]]]
        half = table[:, [place["w"], place["h"]]] / 2
        first, second = middle - half, middle + half
    extent = _extent(input_size) if unit == "image" else np.float32(1)
    return _from_edges(first * extent, second * extent)


def _choose(
    classes: list[Float32],
    cells: int,
    activation: Activation,
    person: int,
    min_score: float,
    strides: tuple[int, ...],
) -> tuple[NDArray[np.intp], Float32]:
    """Indices and scores of the cells, of all levels in a row, that show a person."""
    columns = [_column(table, person) for table in classes]
    values = columns[0] if len(columns) == 1 else np.concatenate(columns)
    _expect(len(values), cells, "cells", strides)
    kept = np.flatnonzero(values >= _least(min_score, activation))
    return kept, _activate(values[kept], activation)


def _pick(tables: list[Float32], kept: NDArray[np.intp]) -> Float32:
    """Rows of all tables in a row, without joining the tables first."""
    ends = np.cumsum([len(table) for table in tables])
    parts = np.split(kept, np.searchsorted(kept, ends[:-1]))
    starts = (0, *ends[:-1])
    picked = [t[part - start] for t, part, start in zip(tables, parts, starts, strict=True)]
    rows: Float32 = np.concatenate(picked).astype(np.float32, copy=False)
    return rows


@lru_cache(maxsize=8)
def _cells(input_size: Size, strides: tuple[int, ...], offset: float) -> tuple[Float32, Float32]:
    """Points `(N, 2)`, counted from the input's corner, and strides `(N,)` of all levels' cells."""
    points, sizes = [], []
    for stride in strides:
        rows, columns = -(-input_size.height // stride), -(-input_size.width // stride)
        y, x = np.mgrid[:rows, :columns]
        points.append((np.stack([x.ravel(), y.ravel()], axis=1) + offset) * stride)
        sizes.append(np.full(rows * columns, stride))
    return np.concatenate(points).astype(np.float32), np.concatenate(sizes).astype(np.float32)


def _rows(output: NDArray[Any]) -> Float32:
    """One row a cell, from `(1, C, h, w)` or `(1, N, C)`, as a view."""
    if output.ndim == 4 and len(output) == 1 and output.shape[1]:
        cells: Float32 = output[0].reshape(output.shape[1], -1).T
        return cells
    if output.ndim == 3 and len(output) == 1:
        rows: Float32 = output[0]
        return rows
    raise ManifestError(f"expected one image's cells, the detector gives shape {output.shape}")


def _tables(outputs: dict[str, NDArray[Any]], output_format: DecodedFormat) -> list[Float32]:
    """One row a box; the first output says whether all have an axis for the batch."""
    first = next(iter(outputs.values()))
    batch_axes = first.ndim - 2
    tables = []
    for name, output in outputs.items():
        array = output
        for _ in range(batch_axes):
            if not array.ndim or len(array) != 1:
                raise ManifestError(
                    f"expected one image's boxes, output '{name}' of the detector has shape "
                    f"{output.shape}"
                )
            array = array[0]
        table = array[:, None] if array.ndim == 1 else array
        if table.ndim != 2:
            raise ManifestError(
                f"expected a table, output '{name}' of the detector has shape {output.shape}"
            )
        tables.append(table.T if name in output_format.transposed else table)
    return tables


def _column(table: Float32, index: int) -> Float32:
    if index >= table.shape[1]:
        raise ManifestError(
            f"the manifest reads column {index} of a detector's output of {table.shape[1]} columns"
        )
    column: Float32 = table[:, index]
    return column


def _same_length(values: Float32, table: Float32) -> Float32:
    if len(values) != len(table):
        raise ManifestError(f"the detector gives {len(table)} boxes and {len(values)} scores")
    return values


def _expect(found: int, expected: int, what: str, strides: tuple[int, ...]) -> None:
    if found != expected:
        raise ManifestError(
            f"the detector's output has {found} {what}, strides {', '.join(map(str, strides))} "
            f"make {expected}"
        )


def _expect_same_levels(classes: list[Float32], distances: list[Float32]) -> None:
    for i, (scores, sides) in enumerate(zip(classes, distances, strict=True)):
        if len(scores) != len(sides) or sides.shape[1] != distances[0].shape[1]:
            raise ManifestError(
                f"level {i} of the detector's output has {len(scores)} class scores and distances "
                f"of shape {sides.shape}"
            )


def _from_edges(first: NDArray[Any], second: NDArray[Any]) -> Float32:
    """Boxes whose corners are counted from the input's corner, not from its first pixel."""
    boxes: Float32 = (np.concatenate([first, second], axis=1) - 0.5).astype(np.float32, copy=False)
    return boxes


def _extent(size: Size) -> Float32:
    return np.array([size.width, size.height], np.float32)


def _least(min_score: float, activation: Activation) -> float:
    """The value from which on a score counts: nothing scores by not being there."""
    least = min(max(min_score, 1e-6), 1 - 1e-6)
    return least if activation == "linear" else float(np.log(least / (1 - least)))


def _activate(values: Float32, activation: Activation) -> Float32:
    if activation == "linear":
        return values
    exponential: Float32 = np.exp(-np.maximum(values, np.float32(-80)))
    scores: Float32 = np.reciprocal(1 + exponential)
    return scores
