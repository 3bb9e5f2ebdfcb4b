"""PyTorch network to a checked, self-describing ONNX file with float weights."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import onnx
import onnxsim
import torch
from torch import nn

from litepose_edge.manifest import InputSpec
from litepose_export.conversion.batch_norms import take_out_batch_norms
from litepose_export.conversion.uint8_input import Uint8Input
from litepose_export.errors import ExportError, UnsupportedOpError
from litepose_export.models.folding import fold_batch_norms

OPSET = 18
INPUT = "image"
MAP_AXES = 4  # (N, C, H, W)


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """What kind of graph to make.

    Attributes:
        dynamic_batch: Leave N free; otherwise it is 1.
        dynamic_size: Leave H and W free, in steps that the network can take.
        uint8: Take `(N, H, W, 3)` uint8 BGR pixels and normalise them in the graph.
        rewrite_deconvolutions: Write 4x4 stride-2 deconvolutions as 2x2 convolutions, which
            can run in INT8.
    """

    dynamic_batch: bool = False
    dynamic_size: bool = False
    uint8: bool = False
    rewrite_deconvolutions: bool = False


@runtime_checkable
class RewritesDeconvolutions(Protocol):
    """A network with deconvolutions that have an exact form for INT8."""

    def rewrite_deconvolutions(self) -> None:
        """Rewrite them, in place; normalisations are folded before."""


def export_graph(
    network: nn.Module,
    spec: InputSpec,
    outputs: Sequence[str],
    options: GraphOptions = GraphOptions(),
    *,
    multiple: int = 1,
    fold_modules: bool = True,
) -> onnx.ModelProto:
    """Fold, export with the dynamo exporter, simplify and check.

    Args:
        network: Takes `(N, 3, H, W)`; gives one tensor or a tuple of them.
        spec: The network's input.
        outputs: Names of the outputs.
        options: What kind of graph.
        multiple: What a free H and W are multiples of.
        fold_modules: Fold normalisations in PyTorch; what is left is folded in the graph.

    Returns:
        The graph, at opset 18, free of batch normalisation and of anything that changes from
        run to run.

    Raises:
        UnsupportedOpError: PyTorch's exporter cannot write the network, a batch normalisation
            could not be folded, or a deconvolution not be rewritten.
        ExportError: The simplified graph is not equivalent.
    """
    folded = fold_batch_norms(network) if fold_modules else copy.deepcopy(network).eval()
    folded = folded.to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if options.rewrite_deconvolutions:
        _rewrite(folded)
    example = torch.zeros(2 if options.dynamic_batch else 1, 3, spec.height, spec.width)
    if options.uint8:
        folded = Uint8Input(folded, spec)
        example = torch.zeros(len(example), spec.height, spec.width, 3, dtype=torch.uint8)
    graph = _trace(folded, example, outputs, _free_axes(options, multiple))
    take_out_batch_norms(graph)
    simplified: onnx.ModelProto
    simplified, equal = onnxsim.simplify(graph)
    if not equal:
        raise ExportError("onnxsim changed what the graph computes")
    _tidy(simplified, options)
    left = [node.name for node in simplified.graph.node if node.op_type == "BatchNormalization"]
    if left:
        raise UnsupportedOpError(f"batch normalisation could not be folded: {', '.join(left)}")
    onnx.checker.check_model(simplified, full_check=True)
    return simplified


def _trace(
    network: nn.Module, example: torch.Tensor, outputs: Sequence[str], free: Any
) -> onnx.ModelProto:
    """The graph as PyTorch's exporter writes it."""
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "graph.onnx"
        try:
            torch.onnx.export(
                network,
                (example,),
                path,
                input_names=[INPUT],
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                dynamic_shapes=free,
                verbose=False,
            )
        except Exception as exc:
            # What the exporter raises has no common base: the network is run, traced, converted.
            mend = " or export it without free axes" if free else ""
            raise UnsupportedOpError(
                f"PyTorch cannot export the network to ONNX: {_reason(exc)}; replace what it "
                f"names by plain tensor operations{mend}"
            ) from exc
        return onnx.load(path)


def _reason(exc: BaseException) -> str:
    """The innermost cause in one line: the exporter's own message is a page long."""
    while exc.__cause__ is not None:
        exc = exc.__cause__
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return f"{type(exc).__name__}: {lines[0][:300]}" if lines else type(exc).__name__


def _free_axes(options: GraphOptions, multiple: int) -> tuple[dict[int, Any]] | None:
    """What may vary of the one input, as the exporter wants to be told."""
    axes: dict[int, Any] = {}
    if options.dynamic_batch:
        axes[0] = torch.export.Dim("batch", min=1, max=1024)
    if options.dynamic_size:
        height, width = (1, 2) if options.uint8 else (2, 3)
        axes[height] = multiple * torch.export.Dim("height", min=2, max=4096)
        axes[width] = multiple * torch.export.Dim("width", min=2, max=4096)
    return (axes,) if axes else None


def _rewrite(folded: nn.Module) -> None:
    rewritten = 0
    for module in list(folded.modules()):
        if isinstance(module, RewritesDeconvolutions):
            try:
                module.rewrite_deconvolutions()
            except ValueError as exc:
                raise UnsupportedOpError(str(exc)) from exc
            rewritten += 1
    if not rewritten:
        raise UnsupportedOpError("the network has no deconvolution to rewrite")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's progress on stdout and its deprecation warnings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _tidy(model: onnx.ModelProto, options: GraphOptions) -> None:
    """Drop what only describes the exporting process: the same network, the same bytes."""
    model.producer_name, model.producer_version, model.doc_string = "litepose-export", "", ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name, graph.doc_string = "litepose", ""
    del graph.metadata_props[:]
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*graph.value_info, *graph.input, *graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    del graph.value_info[:]
    if options.dynamic_batch:
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.shape.dim:
                _name_axis(value, 0, "N")
    if options.dynamic_size:
        _name_axis(graph.input[0], 1 if options.uint8 else 2, "H")
        _name_axis(graph.input[0], 2 if options.uint8 else 3, "W")
        for value in graph.output:
            _name_free_axes(value)


def _name_free_axes(value: onnx.ValueInfoProto) -> None:
    """Maps vary in height and width; of lists of places, say, the number."""
    dims = value.type.tensor_type.shape.dim
    maps = {2: "height", 3: "width"} if len(dims) == MAP_AXES else {}
    for axis, dimension in enumerate(dims):
        if axis > 0 and not dimension.HasField("dim_value"):
            _name_axis(value, axis, f"{value.name}_{maps.get(axis, f'axis_{axis}')}")


def _name_axis(value: onnx.ValueInfoProto, axis: int, name: str) -> None:
    dimension = value.type.tensor_type.shape.dim[axis]
    dimension.Clear()
    dimension.dim_param = name
