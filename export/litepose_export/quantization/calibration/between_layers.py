"""Which operators between layers have codes around them, which pools have not, and SiLU as one.

ONNX Runtime's quantizer writes codes around layers with weights and around what only moves values.
SiLU and joins it leaves to chance: where no layer follows at once they stay float, and each costs
more changes to floats and back. Profiles on one thread of an AMD EPYC: a SiLU of two operators
between codes takes twice as long as of one, and so do a table and a product of bytes, which lose
accuracy as well; a maximum of bytes behind a layer in float takes 7 times as long as one of floats,
a mean 20 times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import onnx
from onnx import helper

# Operators that this module chooses nodes of, beside those that the quantizer knows.
BETWEEN = ("Concat", "Mul")
# ONNX Runtime makes it of float SiLUs itself, but not of one between codes, whose two operators
# each get a DequantizeLinear of their own. OpenVINO reads it, too.
SILU, SILU_DOMAIN = "QuickGelu", "com.microsoft"
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Computed on codes where what they read is codes: they only move values, or cut them off.
_MOVING = (
    "Clip", "Flatten", "Gather", "MaxPool", "Pad", "Relu", "Reshape", "Resize", "Slice", "Split",
    "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BetweenLayers:
    """What becomes of nodes between layers.

    Attributes:
        on_codes: Names of concatenations, and of the products of SiLUs, to write codes around.
        silus: Names of products of SiLUs, `x * sigmoid(x)`, to write as one operator.
        float_pools: Names of pools to leave in float: those of means, and those of maxima that
            read floats. Rounding after a maximum gives the same codes as before it.
    """

    on_codes: frozenset[str]
    silus: frozenset[str]
    float_pools: frozenset[str]


def choose_between_layers(prepared: onnx.ModelProto, float_nodes: Collection[str]) -> BetweenLayers:
    """Keep values in codes from layer to layer.

    A concatenation gets codes where a layer on codes reads it, at once or behind what only moves
    values, and so does a SiLU whose `x` is made on codes. Sums do not: where what they read has no
    codes of its own, one more rounding costs accuracy and saves no time.

    Args:
        prepared: Float graph.
        float_nodes: Names of nodes that stay float.
    """
    walk = _Walk(prepared, float_nodes)
    for node in walk.nodes:  # nodes of a valid graph stand in the order of computation
        walk.pass_node(node)
    return BetweenLayers(frozenset(walk.chosen), frozenset(walk.silus), frozenset(walk.pools))


def with_ranges_of_concatenations(
    prepared: onnx.ModelProto, ranges: Mapping[str, tuple[float, float]], chosen: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Ranges in which a tensor that only a concatenation reads has the range of the whole.

    Then both have the same codes: nothing is rounded twice, and codes are copied as they are.

    Args:
        prepared: Float graph.
        ranges: Of its tensors.
        chosen: Names of the concatenations.
    """
    shared = dict(ranges)
    readers = Counter(name for node in prepared.graph.node for name in node.input)
    moved = {n for node in prepared.graph.node if node.op_type in _MOVING for n in node.output}
    for node in prepared.graph.node:
        whole = ranges.get(node.output[0]) if node.name in chosen else None
        if whole is not None and node.op_type == "Concat":
            own = (name for name in node.input if readers[name] == 1 and name in ranges)
            # What was moved has the codes of what it was moved from.
            shared.update(dict.fromkeys((name for name in own if name not in moved), whole))
    return shared


def fuse_silus(model: onnx.ModelProto, products: Collection[str]) -> None:
    """Write SiLUs as one operator each, in place.

    Args:
        model: Float graph.
        products: Names of their products.
    """
    if not products:
        return
    graph, chosen = model.graph, set(products)
    makers = {node.output[0]: node for node in graph.node}
    nodes: list[onnx.NodeProto] = []
    gates: set[str] = set()
    for node in graph.node:
        if node.name not in chosen:
            nodes.append(node)
            continue
        given = [makers[name] for name in node.input if name in makers]
        gate = next(g for g in given if g.op_type == "Sigmoid" and g.input[0] in node.input)
        gates.add(gate.name)
        fused = helper.make_node(
            SILU, [gate.input[0]], node.output, node.name, domain=SILU_DOMAIN, alpha=1.0
        )
        nodes.append(fused)
    kept = [node for node in nodes if node.name not in gates]
    del graph.node[:]
    graph.node.extend(kept)
    if SILU_DOMAIN not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(SILU_DOMAIN, 1))


@dataclass(slots=True)
class _Walk:
    """One pass over a graph, from its input on."""

    prepared: onnx.ModelProto
    float_nodes: Collection[str]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    # Tensors that a layer on codes reads, at once or behind what moves or concatenates values.
    wanted: set[str] = field(default_factory=set)
    coded: set[str] = field(default_factory=set)  # made on codes
    chosen: set[str] = field(default_factory=set)
    silus: set[str] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    _gates: dict[str, onnx.NodeProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph, left = self.prepared.graph, set(self.float_nodes)
        self.nodes = [node for node in graph.node if node.name not in left]
        readers = Counter(name for node in graph.node for name in node.input)
        readers.update(output.name for output in graph.output)
        self._gates = {
            node.output[0]: node
            for node in self.nodes
            if node.op_type == "Sigmoid" and readers[node.output[0]] == 1
        }
        for node in reversed(self.nodes):
            layer = node.op_type in _LAYERS
            if not layer and self.wanted.isdisjoint(node.output):
                continue
            if layer or node.op_type in _MOVING:
                self.wanted.update(node.input[:1])
            elif node.op_type == "Concat":
                self.wanted.update(node.input)

    def pass_node(self, node: onnx.NodeProto) -> None:
        """Decide about a node, all before it being decided."""
        match node.op_type:
            case "Conv" | "ConvTranspose" | "Gemm" | "MatMul":
                self.coded.update(node.output)
            case "AveragePool":
                self.pools.add(node.name)
            case "MaxPool" if node.input[0] not in self.coded:
                self.pools.add(node.name)
            case "Mul":
                self._pass_product(node)
            case "Concat" if not self.coded.isdisjoint(node.input):
                if not self.wanted.isdisjoint(node.output):
                    self._choose(node)
            case "Add" if self.coded.issuperset(node.input):
                self.coded.update(node.output)
            case kind if kind in _MOVING and node.input[0] in self.coded:
                self.coded.update(node.output)

    def _pass_product(self, node: onnx.NodeProto) -> None:
        gate = next((self._gates[name] for name in node.input if name in self._gates), None)
        if gate is None or gate.input[0] not in node.input:
            return
        if gate.input[0] in self.coded:
            self.silus.add(node.name)
            if not self.wanted.isdisjoint(node.output):
                self._choose(node)

    def _choose(self, node: onnx.NodeProto) -> None:
        self.chosen.add(node.name)
        self.coded.update(node.output)
