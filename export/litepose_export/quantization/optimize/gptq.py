"""GPTQ: rounds weights so that their errors cancel on real inputs.

After Frantar et al., arXiv 2210.17323: a kernel's weights are rounded one after the other, and
the error of each rounding is compensated by those not yet rounded, as far as their inputs
correlate. Inputs are centred first: the bias takes up the mean error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

from litepose_edge.geometry import Float64
from litepose_export.interop.onnx_images import pads_of
from litepose_export.quantization.calibration.activations import inner_values
from litepose_export.quantization.optimize.qdq_editor import QdqEditor

# Positions of an image whose inputs are sampled, for each layer: more change nothing.
POSITIONS = 200
DAMPING = 0.01
# Narrower scales are tried: clipping an extreme may cost less than coarser steps for all others.
NARROWER = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
SEED = 3


@dataclass(slots=True)
class _Moments:
    """Sums over the inputs of one layer, `D` numbers each."""

    products: Float64
    total: Float64
    count: int = 0

    def add(self, columns: Float64) -> None:
        """`(n, D)` inputs."""
        self.products += columns.T @ columns
        self.total += columns.sum(axis=0)
        self.count += len(columns)

    @property
    def mean(self) -> Float64:
        """`(D,)`."""
        mean: Float64 = self.total / self.count
        return mean

    def covariance(self) -> Float64:
        """`(D, D)`, with a little of the mean variance added to each."""
        centred = self.products / self.count - np.outer(self.mean, self.mean)
        some = DAMPING * np.trace(centred) / len(centred) + 1e-12
        damped: Float64 = centred + some * np.eye(len(centred))
        return _positive_definite(damped, some)


def _positive_definite(covariance: Float64, least: float) -> Float64:
    """The matrix itself, or the nearest one without directions of less variance than `least`.

    Sums of float32 products leave more noise than variance where a layer's inputs hardly vary:
    that noise may be negative, and is no reason to move weights.
    """
    try:
        np.linalg.cholesky(covariance)
        np.linalg.cholesky(np.linalg.inv(covariance))
    except np.linalg.LinAlgError:
        values, directions = np.linalg.eigh((covariance + covariance.T) / 2)
        least = max(least, float(np.abs(values).max()) * 1e-6, 1e-12)
        clipped: Float64 = (directions * np.maximum(values, least)) @ directions.T
        return (clipped + clipped.T) / 2
    return covariance


def round_weights(
    prepared: onnx.ModelProto,
    quantized: onnx.ModelProto,
    batches: Sequence[NDArray[Any]],
    largest_code: int,
    advance: Callable[[], None] = lambda: None,
) -> onnx.ModelProto:
    """Round the weights of every dense convolution anew, from those of the float graph.

    Args:
        prepared: The float graph that was quantized; its initialisers hold the weights.
        quantized: Its QDQ graph.
        batches: Calibration inputs.
        largest_code: 64 for seven bits, 127 for eight.
        advance: Called once a layer.
    """
    better = onnx.ModelProto()
    better.CopyFrom(quantized)
    editor = QdqEditor(better)
    stored = {i.name: numpy_helper.to_array(i) for i in prepared.graph.initializer}
    kernels = {
        n.name: stored[n.input[1]]
        for n in prepared.graph.node
        if n.op_type == "Conv" and n.input[1] in stored and stored[n.input[1]].ndim == 4
    }
    layers = [n for n in better.graph.node if n.name in kernels and editor.is_quantized(n)]
    layers = [n for n in layers if _group(n) == 1]
    moments = _moments(quantized, layers, kernels, batches)
    for node in layers:
        kernel, seen = kernels[node.name], moments[node.name]
        weights = kernel.reshape(len(kernel), -1).astype(np.float64)
        scale = editor.weight_scale(node).astype(np.float64)
        least = editor.least_weight_scale(node)
        codes, scale = round_rows(weights, scale, seen.covariance(), largest_code, least)
        editor.set_weights(node, codes.reshape(kernel.shape), scale)
        if len(node.input) > 2:
            editor.add_to_bias(node, (weights - codes * scale[:, None]) @ seen.mean)
        advance()
    return better


def round_rows(
    weights: Float64,
    scale: Float64,
    covariance: Float64,
    largest_code: int,
    least_scale: Float64 | float = 0.0,
) -> tuple[Float64, Float64]:
    """Codes and scales of the rows of a matrix.

    Args:
        weights: `(R, D)`.
        scale: `(R,)` that holds the largest weight of each row.
        covariance: `(D, D)` of the inputs, positive definite.
        largest_code: Codes run from minus this to this.
        least_scale: `(R,)`, below which no scale goes.

    Returns:
        codes: `(R, D)` whole numbers.
        scale: `(R,)`.
    """
    # Weights with the largest spread of inputs first: most others can still compensate them.
    order = np.argsort(-np.diag(covariance), kind="stable")
    spread = np.diag(covariance)
    scale = _best_scale(weights, np.maximum(scale, least_scale), spread, largest_code, least_scale)
    inverse = np.linalg.inv(covariance[np.ix_(order, order)])
    carry = np.linalg.cholesky(inverse).T  # upper triangular: row i spreads the error of weight i
    rest = weights[:, order].copy()
    codes = np.empty_like(rest)
    for i in range(rest.shape[1]):
        codes[:, i] = np.clip(np.round(rest[:, i] / scale), -largest_code, largest_code)
        error = (rest[:, i] - codes[:, i] * scale) / carry[i, i]
        rest[:, i + 1 :] -= np.outer(error, carry[i, i + 1 :])
    back = np.empty_like(codes)
    back[:, order] = codes
    return back, scale


def _best_scale(
    weights: Float64,
    scale: Float64,
    spread: Float64,
    largest_code: int,
    least_scale: Float64 | float,
) -> Float64:
    """The factor of each row's scale that rounds to the nearest with the least error."""
    best, least = scale.copy(), np.full(len(scale), np.inf)
    for factor in NARROWER:
        tried = np.maximum(scale * factor, least_scale)
        codes = np.clip(np.round(weights / tried[:, None]), -largest_code, largest_code)
        error = ((weights - codes * tried[:, None]) ** 2 * spread).sum(axis=1)
        better = error < least
        best[better], least[better] = tried[better], error[better]
    return best


def _moments(
    quantized: onnx.ModelProto,
    layers: Sequence[onnx.NodeProto],
    kernels: dict[str, NDArray[Any]],
    batches: Sequence[NDArray[Any]],
) -> dict[str, _Moments]:
    """Moments of what each layer reads in the quantized graph."""
    rng = np.random.default_rng(SEED)
    lengths = {node.name: int(np.prod(kernels[node.name].shape[1:])) for node in layers}
    found = {name: _Moments(np.zeros((n, n)), np.zeros(n)) for name, n in lengths.items()}
    for values in inner_values(quantized, [node.input[0] for node in layers], batches):
        for node in layers:
            columns = _columns(values[node.input[0]], node, kernels[node.name].shape)
            chosen = rng.permutation(len(columns))[:POSITIONS]
            found[node.name].add(columns[chosen])
    return found


def _columns(x: NDArray[Any], node: onnx.NodeProto, shape: tuple[int, ...]) -> NDArray[Any]:
    """`(positions, C * h * w)`: what a convolution multiplies with its kernel."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    maps, strides = torch.from_numpy(x), attributes.get("strides", (1, 1))
    padded = F.pad(maps, pads_of(attributes, maps, shape[2:], strides))
    windows = F.unfold(
        padded,
        shape[2:],
        dilation=tuple(attributes.get("dilations", (1, 1))),
        stride=tuple(strides),
    )
    return windows.transpose(1, 2).reshape(-1, windows.shape[1]).numpy()


def _group(node: onnx.NodeProto) -> int:
    return next((a.i for a in node.attribute if a.name == "group"), 1)
