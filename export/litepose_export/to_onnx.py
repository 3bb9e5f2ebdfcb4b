"""PyTorch network to a checked, self-describing ONNX file with float weights."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import onnxsim
import torch
from torch import nn

from litepose_edge.geometry import Size
from litepose_export.errors import ExportError, UnsupportedOpError
from litepose_export.folding import fold_batch_norms

OPSET = 18
INPUT = "image"


def export_graph(network: nn.Module, input_size: Size, outputs: Sequence[str]) -> onnx.ModelProto:
    """Fold, export with the dynamo exporter, simplify and check.

    Args:
        network: Takes `(N, 3, H, W)`; gives one tensor or a tuple of them.
        input_size: H and W of the graph; N stays free.
        outputs: Names of the outputs.

    Returns:
        The graph, at opset 18, free of batch normalisation and of anything that changes from
        run to run.

    Raises:
        UnsupportedOpError: A batch normalisation could not be folded.
        ExportError: The simplified graph is not equivalent.
    """
    folded = fold_batch_norms(network).to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = torch.zeros(2, 3, input_size.height, input_size.width)
    batch = torch.export.Dim("batch", min=1, max=1024)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            folded,
            (example,),
            path,
            input_names=[INPUT],
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            dynamic_shapes=({0: batch},),
            verbose=False,
        )
        graph = onnx.load(path)
    simplified: onnx.ModelProto
    simplified, equal = onnxsim.simplify(graph)
    if not equal:
        raise ExportError("onnxsim changed what the graph computes")
    _tidy(simplified)
    left = [node.name for node in simplified.graph.node if node.op_type == "BatchNormalization"]
    if left:
        raise UnsupportedOpError(f"batch normalisation could not be folded: {', '.join(left)}")
    onnx.checker.check_model(simplified, full_check=True)
    return simplified


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter speaks of its own progress on stdout and of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _tidy(model: onnx.ModelProto) -> None:
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
    for value in (*graph.input, *graph.output):
        first = value.type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_param = "N"
