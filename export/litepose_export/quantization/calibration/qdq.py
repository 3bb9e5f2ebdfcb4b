"""Float graph to QDQ graph: ranges of its tensors, then codes; some nodes stay float."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from litepose_edge.errors import LitePoseError
from litepose_export.conversion.storage import restore_storage
from litepose_export.errors import UnsupportedOpError
from litepose_export.quantization.calibration.between_layers import (
    BETWEEN,
    SILU,
    choose_between_layers,
    fuse_silus,
    with_ranges_of_concatenations,
)

Scheme = Literal["u8s8", "u8s8-reduced", "s8s8"]
Method = Literal["minmax", "entropy", "percentile"]
Ranges = dict[str, tuple[float, float]]

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
# Operators whose third input is a bias.
WITH_BIAS = ("Conv", "ConvTranspose", "Gemm", "InstanceNormalization", "LayerNormalization")
# Histograms are merged every so many inputs: all inner tensors of 300 crops would be gigabytes.
CHUNK = 16


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as quantization wants it: float32 weights, known shapes, constants folded.

    Raises:
        UnsupportedOpError: ONNX Runtime cannot read or simplify it.
    """
    with tempfile.TemporaryDirectory() as folder, _said("prepare the graph for quantization"):
        source, prepared = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
        onnx.save(restore_storage(model), source)
        with _raised_from_log(quant_pre_process.__module__):
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        return onnx.load(prepared)


def find_ranges(
    prepared: onnx.ModelProto,
    batches: Iterable[NDArray[Any]],
    method: Method = "minmax",
    percentile: float = 99.99,
    advance: Callable[[], None] = lambda: None,
) -> Ranges:
    """Ranges of all inner tensors on calibration inputs.

    Args:
        prepared: From `prepare`.
        batches: Inputs.
        method: `"minmax"` keeps everything that was seen; `"entropy"` and `"percentile"` cut
            off what is rare.
        percentile: How much `"percentile"` keeps, in percent.
        advance: Called once an input.

    Raises:
        UnsupportedOpError: ONNX Runtime cannot run the graph on such inputs.
    """
    options: dict[str, Any] = {"moving_average": False} if method == "minmax" else {}
    if method == "percentile":
        options = {"percentile": percentile}
    with tempfile.TemporaryDirectory() as folder, _said("calibrate the graph"):
        source = Path(folder) / "a.onnx"
        onnx.save(prepared, source)
        calibrator = create_calibrator(
            source,
            sorted({*QDQRegistry, *BETWEEN}),
            augmented_model_path=str(Path(folder) / "b.onnx"),
            calibrate_method=METHODS[method],
            extra_options=options,
        )
        waiting: list[NDArray[Any]] = []
        for batch in batches:
            # Inputs may reuse one buffer.
            waiting.append(batch.copy())
            advance()
            if len(waiting) == CHUNK:
                calibrator.collect_data(_Reader(prepared, waiting))
                waiting = []
        if waiting:
            calibrator.collect_data(_Reader(prepared, waiting))
        found = calibrator.compute_data()
        del calibrator
    return {
        name: (np.asarray(found[name].lowest).item(), np.asarray(found[name].highest).item())
        for name in found.keys()  # noqa: SIM118 - no dict
    }


def write_qdq(
    prepared: onnx.ModelProto, ranges: Ranges, scheme: Scheme, float_nodes: Sequence[str]
) -> onnx.ModelProto:
    """The QDQ graph: per-channel symmetric weights, activations as the ranges say.

    Args:
        prepared: From `prepare`.
        ranges: Of every inner tensor.
        scheme: `"u8s8"` is fast where VNNI is and wrong where AVX2 saturates;
            `"u8s8-reduced"` keeps weights in 7 bits and is exact on every x86; `"s8s8"` for ARM.
        float_nodes: Names of nodes that are left as they are.

    Raises:
        UnsupportedOpError: ONNX Runtime's quantizer cannot write the graph.
    """
    signed = scheme == "s8s8"
    model = onnx.ModelProto()
    model.CopyFrom(prepared)
    _give_biases_of_their_own(model)
    left = {*float_nodes, *never_quantized(prepared)}
    between = choose_between_layers(prepared, left)
    left |= between.float_pools
    left |= {
        node.name
        for node in prepared.graph.node
        if node.op_type in BETWEEN and node.name not in between.on_codes
    }
    fuse_silus(model, between.silus)
    shared = with_ranges_of_concatenations(prepared, ranges, between.on_codes)
    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in shared.items()
    }
    with _said("write the graph with codes"), _no_axis_warnings():
        quantizer = QDQQuantizer(
            model,
            True,  # per channel
            scheme == "u8s8-reduced",
            QuantType.QInt8,
            QuantType.QInt8 if signed else QuantType.QUInt8,
            TensorsData(CalibrationMethod.MinMax, data),
            [],
            sorted(left),
            sorted({*QDQRegistry, *BETWEEN, SILU}),
            {},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    keep_float_layers(quantized)
    return tidy(quantized)


def never_quantized(prepared: onnx.ModelProto) -> tuple[str, ...]:
    """Names of nodes that ONNX Runtime's quantizer cannot write: grouped transposed convolutions.

    Their scales, one an output of a group, do not fit their biases, one an output of all groups.
    """
    return tuple(
        node.name
        for node in prepared.graph.node
        if node.op_type == "ConvTranspose"
        and any(a.name == "group" and a.i > 1 for a in node.attribute)
    )


def _give_biases_of_their_own(model: onnx.ModelProto) -> None:
    """Copy a bias that several nodes read, for all but the first, in place.

    Each gets a scale of its own, so ONNX Runtime's quantizer copies it, too, but under its name and
    a number, which may be another tensor's name: `val_11` and 5 are `val_115` in PyTorch's graphs.
    """
    stored = {i.name: i for i in model.graph.initializer}
    taken = {*stored, *(name for node in model.graph.node for name in node.output)}
    seen: set[str] = set()
    for node in model.graph.node:
        if node.op_type not in WITH_BIAS or len(node.input) < 3 or node.input[2] not in stored:
            continue
        name = node.input[2]
        if name in seen:
            copied = f"{name}_of_{node.name}"
            while copied in taken:
                copied += "_"
            taken.add(copied)
            model.graph.initializer.add().CopyFrom(stored[name])
            model.graph.initializer[-1].name = copied
            node.input[2] = copied
        seen.add(name)


def keep_float_layers(quantized: onnx.ModelProto) -> None:
    """Make ONNX Runtime compute layers left in float as floats, in place.

    A float layer between a DequantizeLinear and a QuantizeLinear, with nothing but ReLUs behind
    it, is taken for one whose weights were forgotten: it is given weights of 8 bits with one
    scale for all channels when the file is opened (WeightBiasQuantization, since 1.21). And a
    QuantizeLinear behind a maximum of floats is moved before it (QDQPropagation), where bytes take
    7 times as long; means of bytes take 20 times as long as of floats. A leaky ReLU of slope 1
    changes no number, is computed within the layer, and ends these patterns.
    """
    graph = quantized.graph
    makers = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    stored = {i.name for i in graph.initializer}

    def leads_to_codes(name: str) -> bool:
        while len(readers[name]) == 1 and readers[name][0].op_type in ("Relu", "Clip"):
            name = readers[name][0].output[0]
        return len(readers[name]) == 1 and readers[name][0].op_type == "QuantizeLinear"

    nodes = []
    for node in graph.node:
        nodes.append(node)
        before = makers.get(node.input[0])
        of_codes = before is not None and before.op_type == "DequantizeLinear"
        layer = node.op_type in ("Conv", "ConvTranspose", "Gemm") and node.input[1] in stored
        pool = node.op_type == "AveragePool" or (node.op_type == "MaxPool" and not of_codes)
        if not ((layer and of_codes) or pool):
            continue
        output = node.output[0]
        if leads_to_codes(output):
            node.output[0] = f"{output}_float"
            nodes.append(
                helper.make_node(
                    "LeakyRelu", [node.output[0]], [output], f"{node.name}_float", alpha=1.0
                )
            )
    del graph.node[:]
    graph.node.extend(nodes)


def tidy(quantized: onnx.ModelProto) -> onnx.ModelProto:
    """Without what depends on the tool's version or the day."""
    quantized.producer_name, quantized.producer_version = "litepose-export", ""
    del quantized.metadata_props[:]
    del quantized.graph.value_info[:]
    return quantized


@contextlib.contextmanager
def _no_axis_warnings() -> Iterator[None]:
    """Without a warning for each weight of one axis, as normalisations have: it gets one scale."""

    def keep(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Axis ")

    root = logging.getLogger()
    root.addFilter(keep)
    try:
        yield
    finally:
        root.removeFilter(keep)


@contextlib.contextmanager
def _raised_from_log(name: str) -> Iterator[None]:
    """What a module reports as an error to its log, traceback and all, and goes on from."""
    logger = logging.getLogger(name)
    errors: list[BaseException] = []

    def keep(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            errors.append(RuntimeError(record.getMessage().strip().splitlines()[-1]))
        return record.levelno < logging.ERROR

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
    if errors:
        raise errors[-1]


@contextlib.contextmanager
def _said(what: str) -> Iterator[None]:
    """ONNX Runtime's tools raise whatever comes up: what they could not do, in one line."""
    try:
        yield
    except LitePoseError:
        raise
    except Exception as exc:
        line = next((line for line in str(exc).splitlines() if line.strip()), "no reason given")
        raise UnsupportedOpError(
            f"ONNX Runtime cannot {what}: {type(exc).__name__}: {line[:300]}; export the network "
            "again at opset 18, or leave the nodes that are named out with --float"
        ) from exc


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Feeds calibration inputs one by one."""

    def __init__(self, model: onnx.ModelProto, batches: Iterable[NDArray[Any]]) -> None:
        self._name = model.graph.input[0].name
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}
