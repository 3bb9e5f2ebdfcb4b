"""Heatmaps to cells as ONNX operators: `litepose_edge.decoding.heatmaps` and `.expected_oks`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from litepose_edge.decoding.expected_oks import LEAST_HEAT, oks_kernels
from litepose_edge.decoding.heatmaps import DERIVATIVES, MIN_PROBABILITY, blur_window
from litepose_edge.geometry import Size
from litepose_edge.manifest import Activation, HeatmapSpec
from litepose_export.portable.graph import GraphWriter


class Heatmaps:
    """Maps of N = P x K keypoints, a row each.

    Args:
        graph: Where the operators are written.
        maps: `(P, K, h, w)` float32.
        joints: K.
        size: Of a map.
        activation: What makes heat of the values.
    """

    def __init__(
        self, graph: GraphWriter, maps: str, joints: int, size: Size, activation: Activation
    ) -> None:
        self._graph, self._maps, self._size = graph, maps, size
        self._joints, self._activation = joints, activation
        self._cells = size.width * size.height
        self._flat = graph.add("Reshape", maps, graph.whole(-1, self._cells))

    def decode(self, head: HeatmapSpec, oks_sigmas: tuple[float, ...]) -> tuple[str, str]:
        """Cells `(N, 2)` and scores `(N, 1)`, float32.

        Args:
            head: How the file says its maps are read.
            oks_sigmas: One a keypoint.
        """
        graph = self._graph
        peak = _Peak(graph, self._flat, self._size)
        heat = self._heat(graph.add("GatherElements", self._flat, peak.top, axis=1))
        scores = graph.add("Clip", heat, graph.number(0), graph.number(1))
        match head.refinement:
            case "argmax":
                return peak.cells, scores
            case "quarter":
                moved = peak.per_axis(self._quarter)
            case "dark":
                moved = self._dark(peak, head.blur_kernel)
            case "dark-udp":
                moved = self._dark_udp(peak, head.blur_kernel)
            case "expected-oks":
                peak = _Peak(graph, self._similarity(oks_sigmas), self._size)
                moved = peak.per_axis(self._vertex)
        return graph.add("Add", peak.cells, moved), scores

    def _heat(self, values: str) -> str:
        return values if self._activation == "linear" else self._graph.add("Sigmoid", values)

    def _similarity(self, oks_sigmas: tuple[float, ...]) -> str:
        """The expected OKS of each cell, `(N, cells)`."""
        graph = self._graph
        places = self._maps
        if self._activation != "linear":
            highest = graph.add("ReduceMax", self._maps, graph.whole(2, 3), keepdims=1)
            places = graph.add("Exp", graph.add("Sub", self._maps, highest))
        places = graph.add("Max", places, graph.number(float(LEAST_HEAT)))
        rows, columns = oks_kernels(self._size, oks_sigmas)
        blurred = graph.add("MatMul", places, graph.constant(columns))
        blurred = graph.add("MatMul", graph.constant(rows), blurred)
        return graph.add("Reshape", blurred, graph.whole(-1, self._cells))

    def _vertex(self, before: str, here: str, after: str) -> str:
        """Where the parabola through the logarithms of three values peaks."""
        add, least = self._graph.add, self._graph.number(float(LEAST_HEAT))
        before, here, after = (add("Log", add("Max", v, least)) for v in (before, here, after))
        bend = add("Sub", add("Sub", add("Add", here, here), before), after)
        zero, two = self._graph.number(0), self._graph.number(2)
        slope = add("Sub", after, before)
        moved = add("Div", slope, add("Mul", two, add("Max", bend, least)))
        return add("Where", add("Greater", bend, zero), moved, zero)

    def _quarter(self, before: str, here: str, after: str) -> str:
        """A quarter cell to the higher neighbour."""
        add = self._graph.add
        return add("Mul", add("Sign", add("Sub", after, before)), self._graph.number(0.25))

    def _blurred(self, peak: _Peak, blur_kernel: int) -> str:
        """The blurred heat at each peak and its twelve neighbours, `(N, 13)`."""
        graph, add = self._graph, self._graph.add
        columns, rows, weights = blur_window(blur_kernel)
        at_x = add("Add", peak.x, graph.whole(*columns))
        at_y = add("Add", peak.y, graph.whole(*rows))
        inside = add(
            "And",
            add("And", add("GreaterOrEqual", at_x, graph.whole(0)),
                add("Less", at_x, graph.whole(self._size.width))),
            add("And", add("GreaterOrEqual", at_y, graph.whole(0)),
                add("Less", at_y, graph.whole(self._size.height))),
        )  # fmt: skip
        index = add("Add", add("Mul", at_y, graph.whole(self._size.width)), at_x)
        index = add("Where", inside, index, graph.whole(0))
        window = self._heat(add("GatherElements", self._flat, index, axis=1))
        window = add("Where", inside, window, graph.number(0))
        return add("MatMul", window, graph.constant(weights))

    def _dark(self, peak: _Peak, blur_kernel: int) -> str:
        graph, add = self._graph, self._graph.add
        heat = add("Max", self._blurred(peak, blur_kernel), graph.number(MIN_PROBABILITY))
        derivatives = add("MatMul", add("Log", heat), graph.constant(DERIVATIVES.T))
        parts = self._split(derivatives, len(DERIVATIVES))
        wide = add("And", peak.inside(0, 2), peak.inside(1, 2))
        near = add("And", peak.inside(0, 1), peak.inside(1, 1))
        dxx, dyy = (add("Where", wide, parts[3 + i], parts[5 + i]) for i in (0, 1))
        return self._newton((parts[0], parts[1], dxx, dyy, parts[2]), near)

    def _dark_udp(self, peak: _Peak, blur_kernel: int) -> str:
        graph, add = self._graph, self._graph.add
        blurred = self._blurred(peak, blur_kernel)
        log = add("Log", add("Clip", blurred, graph.number(1e-3), graph.number(50)))
        logs = self._split(log, DERIVATIVES.shape[1])
        centre, right, left, below, above = logs[:5]
        right_below, left_above = logs[9], logs[10]
        at_left, at_right = peak.at_border(0)
        at_top, at_bottom = peak.at_border(1)

        def where(condition: str, yes: str, no: str) -> str:
            return add("Where", condition, yes, no)

        right_below = where(
            at_right,
            where(at_bottom, centre, below),
            where(at_bottom, right, right_below),
        )
        left_above = where(at_left, where(at_top, centre, above), where(at_top, left, left_above))
        right, left = where(at_right, centre, right), where(at_left, centre, left)
        below, above = where(at_bottom, centre, below), where(at_top, centre, above)

        half, two = graph.number(0.5), add("Add", centre, centre)
        dx, dy = (
            add("Mul", add("Sub", ahead, behind), half)
            for ahead, behind in ((right, left), (below, above))
        )
        sums = [add("Add", right, left), add("Add", below, above)]
        dxx, dyy = (add("Sub", both, two) for both in sums)
        corners = add("Add", add("Add", right_below, left_above), two)
        dxy = add("Mul", add("Sub", corners, add("Add", *sums)), half)
        everywhere = add("Equal", peak.x, peak.x)
        return self._newton((dx, dy, dxx, dyy, dxy), everywhere)

    def _split(self, table: str, columns: int) -> list[str]:
        sizes = self._graph.whole(*[1] * columns)
        return self._graph.add_many("Split", table, sizes, count=columns, axis=1)

    def _newton(self, derivatives: tuple[str, str, str, str, str], allowed: str) -> str:
        """Steps `(N, 2)` to the maximum, at most one cell; none where there is no maximum."""
        graph, add = self._graph, self._graph.add
        dx, dy, dxx, dyy, dxy = derivatives

        def difference(a: str, b: str, c: str, d: str) -> str:
            return add("Sub", add("Mul", a, b), add("Mul", c, d))

        determinant = difference(dxx, dyy, dxy, dxy)
        peaked = add("And", allowed, add("Less", dxx, graph.number(0)))
        peaked = add("And", peaked, add("Greater", determinant, graph.number(1e-12)))
        step = add("Concat", difference(dxy, dy, dyy, dx), difference(dxy, dx, dxx, dy), axis=1)
        step = add("Div", step, add("Where", peaked, determinant, graph.number(1)))
        step = add("Where", peaked, step, graph.number(0))
        return add("Clip", step, graph.number(-1), graph.number(1))


class _Peak:
    """The highest cell of each row of a table.

    Attributes:
        top: `(N, 1)` int64, its number.
        x: `(N, 1)` int64.
        y: `(N, 1)` int64.
    """

    def __init__(self, graph: GraphWriter, table: str, size: Size) -> None:
        self._graph, self._table, self._size = graph, table, size
        width = graph.whole(size.width)
        self.top = graph.add("ArgMax", table, axis=1, keepdims=1)
        self.x = graph.add("Mod", self.top, width)
        self.y = graph.add("Div", self.top, width)

    @property
    def cells(self) -> str:
        """`(N, 2)` float32."""
        return self._graph.cast(self._graph.add("Concat", self.x, self.y, axis=1), np.float32)

    def inside(self, axis: int, distance: int) -> str:
        """`(N, 1)` bool, at least so many cells from the border of an axis: x, y."""
        place, length = self._along(axis)
        return self._graph.add(
            "And",
            self._graph.add("GreaterOrEqual", place, self._graph.whole(distance)),
            self._graph.add("Less", place, self._graph.whole(length - distance)),
        )

    def at_border(self, axis: int) -> tuple[str, str]:
        """`(N, 1)` bool each: in the first cell of an axis, in the last."""
        place, length = self._along(axis)
        first = self._graph.add("Equal", place, self._graph.whole(0))
        return first, self._graph.add("Equal", place, self._graph.whole(length - 1))

    def per_axis(self, offset: Callable[[str, str, str], str]) -> str:
        """`(N, 2)`: the offset from the values before, at and behind the peak on each axis.

        A peak on the border stays put.
        """
        graph, add = self._graph, self._graph.add
        moved = []
        for axis, step in ((0, 1), (1, self._size.width)):
            inside = self.inside(axis, 1)
            step_here = add("Where", inside, graph.whole(step), graph.whole(0))
            values = [
                add("GatherElements", self._table, index, axis=1)
                for index in (
                    add("Sub", self.top, step_here), self.top, add("Add", self.top, step_here)
                )
            ]  # fmt: skip
            moved.append(add("Where", inside, offset(*values), graph.number(0)))
        return add("Concat", *moved, axis=1)

    def _along(self, axis: int) -> tuple[str, int]:
        return (self.x, self._size.width) if axis == 0 else (self.y, self._size.height)
