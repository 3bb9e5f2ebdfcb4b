"""Detector heads to boxes as ONNX operators: `litepose_edge.decoding.detector_heads`, all cells.

The runtime reads promising cells only; here every cell is decoded, and suppression leaves out
those that score too little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from litepose_edge.decoding.detector_heads import FASTESTDET_POWERS, MAX_LOG_DISTANCE
from litepose_edge.manifest import (
    Activation,
    DecodedFormat,
    DetectorSpec,
    FastestdetFormat,
    GflFormat,
    RtmdetFormat,
    YoloxFormat,
    format_name,
)
from litepose_export.errors import ExportError
from litepose_export.portable.graph import GraphWriter


class Heads:
    """Outputs of one view of a detector.

    Args:
        graph: Where the operators are written.
        outputs: The network's, with a batch axis of 1.
        ranks: Their numbers of axes.
        input_size: `(2,)` double, width and height of the input.
        spec: The detector's conventions.
    """

    def __init__(
        self,
        graph: GraphWriter,
        outputs: Sequence[str],
        ranks: Sequence[int],
        input_size: str,
        spec: DetectorSpec,
    ) -> None:
        self._graph, self._spec, self._input_size = graph, spec, input_size
        self._tables = [self._rows(name, rank) for name, rank in zip(outputs, ranks, strict=True)]

    def decode(self) -> tuple[str, str]:
        """Boxes `(N, 4)` in input pixels and scores `(N,)`, float32.

        Raises:
            ExportError: The format has no operators here.
        """
        match self._spec.output_format:
            case "persondet":
                return self._persondet()
            case YoloxFormat(activation=activation):
                return self._yolox(activation)
            case GflFormat() as output_format:
                return self._gfl(output_format)
            case RtmdetFormat() as output_format:
                return self._rtmdet(output_format)
            case FastestdetFormat():
                return self._fastestdet()
            case DecodedFormat() as other:
                raise ExportError(
                    f"a detector of the output format '{format_name(other)}' decodes its boxes by "
                    "itself and has no portable form: run its file with ONNX Runtime as it is"
                )

    def _persondet(self) -> tuple[str, str]:
        graph, add = self._graph, self._graph.add
        table = self._joined(self._tables)
        middle, stride = self._cells(0.5)
        logs = graph.columns(table, 1, 5)
        away = add("Mul", add("Exp", add("Min", logs, graph.number(MAX_LOG_DISTANCE))), stride)
        scores = add("Sigmoid", self._column(table, 0))
        return self._around(middle, away), scores

    def _yolox(self, activation: Activation) -> tuple[str, str]:
        graph, add = self._graph, self._graph.add
        (table,) = self._tables
        corner, stride = self._cells(0.0)
        scores = add(
            "Mul",
            self._activated(self._column(table, 4), activation),
            self._activated(self._column(table, 5 + self._spec.person), activation),
        )
        middle = add("Add", corner, add("Mul", graph.columns(table, 0, 2), stride))
        logs = add("Min", graph.columns(table, 2, 4), graph.number(MAX_LOG_DISTANCE))
        half = add("Mul", add("Exp", logs), add("Mul", stride, graph.number(0.5)))
        return self._from_edges(add("Sub", middle, half), add("Add", middle, half)), scores

    def _gfl(self, output_format: GflFormat) -> tuple[str, str]:
        graph, add = self._graph, self._graph.add
        bins, levels = output_format.bins, len(self._spec.strides)
        if len(self._tables) == 1:
            (table,) = self._tables
            end = graph.whole(-4 * bins)
            classes = add("Slice", table, graph.whole(0), end, graph.whole(1))
            distances = add("Slice", table, end, graph.whole(2**31 - 1), graph.whole(1))
        else:
            classes = self._joined(self._tables[:levels])
            distances = self._joined(self._tables[levels:])
        points, stride = self._cells(output_format.cell_offset)
        shares = add("Softmax", add("Reshape", distances, graph.whole(-1, 4, bins)), axis=2)
        steps = add("MatMul", shares, graph.constant(np.arange(bins)[:, None]))
        away = add("Mul", add("Squeeze", steps, graph.whole(2)), stride)
        scores = self._activated(self._column(classes, self._spec.person), output_format.activation)
        return self._around(points, away), scores

    def _rtmdet(self, output_format: RtmdetFormat) -> tuple[str, str]:
        levels = len(self._spec.strides)
        classes = self._joined(self._tables[:levels])
        away = self._joined(self._tables[levels:])
        points, stride = self._cells(output_format.cell_offset)
        if output_format.distances == "strides":
            away = self._graph.add("Mul", away, stride)
        scores = self._activated(self._column(classes, self._spec.person), output_format.activation)
        return self._around(points, away), scores

    def _fastestdet(self) -> tuple[str, str]:
        graph, add = self._graph, self._graph.add
        (table,) = self._tables
        corner, stride = self._cells(0.0)
        zero = graph.number(0)
        factors = [
            add("Pow", add("Max", self._column(table, column), zero), graph.number(power))
            for column, power in zip(
                (0, 5 + self._spec.person), FASTESTDET_POWERS.tolist(), strict=True
            )
        ]
        middle = add("Add", corner, add("Mul", add("Tanh", graph.columns(table, 1, 3)), stride))
        extent = add("Mul", graph.cast(self._input_size, np.float32), graph.number(0.5))
        half = add("Mul", add("Sigmoid", graph.columns(table, 3, 5)), extent)
        boxes = self._from_edges(add("Sub", middle, half), add("Add", middle, half))
        return boxes, add("Mul", *factors)

    def _rows(self, output: str, rank: int) -> str:
        """One row a cell, `(N, C)`, from `(1, C, h, w)` or `(1, N, C)`."""
        graph = self._graph
        table = graph.add("Squeeze", graph.cast(output, np.float32), graph.whole(0))
        if rank == 3:
            return table
        flat = graph.add("Flatten", table, axis=1)
        return graph.add("Transpose", flat, perm=[1, 0])

    def _joined(self, tables: Sequence[str]) -> str:
        return tables[0] if len(tables) == 1 else self._graph.add("Concat", *tables, axis=0)

    def _column(self, table: str, index: int) -> str:
        axis = self._graph.whole(1)
        return self._graph.add("Squeeze", self._graph.columns(table, index, index + 1), axis)

    def _activated(self, values: str, activation: Activation) -> str:
        return values if activation == "linear" else self._graph.add("Sigmoid", values)

    def _cells(self, offset: float) -> tuple[str, str]:
        """Points `(N, 2)` from the input's corner, and strides `(N, 1)`, of all levels' cells."""
        graph, add = self._graph, self._graph.add
        points, strides = [], []
        zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
        for stride in self._spec.strides:
            step = graph.constant([stride], np.float64)
            counts = graph.cast(add("Ceil", add("Div", self._input_size, step)), np.int64)
            columns, rows = graph.add_many("Split", counts, graph.whole(1, 1), count=2, axis=0)
            cells = add("Squeeze", add("Mul", rows, columns), graph.whole(0))
            number = add("Unsqueeze", add("Range", zero, cells, one), graph.whole(1))
            x, y = add("Mod", number, columns), add("Div", number, columns)
            at = graph.cast(add("Concat", x, y, axis=1), np.float32)
            points.append(add("Mul", add("Add", at, graph.number(offset)), graph.number(stride)))
            same = graph.cast(add("Equal", number, number), np.float32)
            strides.append(add("Mul", same, graph.number(stride)))
        return self._joined(points), self._joined(strides)

    def _around(self, points: str, away: str) -> str:
        """Boxes from the distances of their four edges to a point."""
        graph, add = self._graph, self._graph.add
        first = add("Sub", points, graph.columns(away, 0, 2))
        return self._from_edges(first, add("Add", points, graph.columns(away, 2, 4)))

    def _from_edges(self, first: str, second: str) -> str:
        """Boxes whose corners are counted from the input's corner, not from its first pixel."""
        graph = self._graph
        return graph.add("Sub", graph.add("Concat", first, second, axis=1), graph.number(0.5))
