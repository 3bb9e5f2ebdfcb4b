"""Rounds weights so that their errors cancel on real inputs, instead of each to its nearest code.

After Frantar et al., arXiv 2210.17323 (GPTQ): a kernel's numbers are rounded one after the
other, and what each rounding did wrong is taken up by those not yet rounded, as far as their
inputs move together. Layers are done from the input on. Each first gets the weights that come
nearest to the float layer's outputs from the inputs it will really get, whose errors the layers
before it made (asymmetric calibration, Li et al., arXiv 2504.02692). Means are the biases' to
take up.
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
from litepose_export.quantization.activations import inner_values
from litepose_export.quantization.edit import QdqEditor

# Places of an image whose inputs are looked at, for each layer: more change nothing.
PLACES = 200
DAMPING = 0.01
# Making up for earlier errors is a regression on few inputs: damped more, it does not learn them.
CORRECTION_DAMPING = 0.1
# Narrower scales are tried: a lost extreme may cost less than coarser steps for all others.
NARROWER = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
SEED = 3


@dataclass(slots=True)
class _Moments:
    """What one layer reads in the INT8 graph and in the float graph, centred.

    Attributes:
        real: `(D,)` mean in the INT8 graph.
        exact: `(D,)` mean in the float graph.
        covariance: `(D, D)` of the INT8 graph's inputs, slightly damped.
        between: `(D, D)` covariance of the float graph's with the INT8 graph's, damped as much.
    """

    real: Float64
    exact: Float64
    covariance: Float64
    between: Float64


def round_weights(
    prepared: onnx.ModelProto,
    quantized: onnx.ModelProto,
    batches: Sequence[NDArray[Any]],
    largest_code: int,
    tick: Callable[[], None] = lambda: None,
) -> onnx.ModelProto:
    """Choose the weights of every dense convolution anew, from those of the float graph.

    Layers left in float are not rounded, but they too make up for errors before them.

    Args:
        prepared: The float graph that was quantized; its initialisers hold the weights.
        quantized: Its QDQ graph.
        batches: Calibration inputs.
        largest_code: 64 for seven bits, 127 for eight.
        tick: Called once a layer.
    """
    better = onnx.ModelProto()
    better.CopyFrom(quantized)
    editor = QdqEditor(better)
    stored = {i.name: numpy_helper.to_array(i) for i in prepared.graph.initializer}
    originals = {n.name: n for n in prepared.graph.node if n.op_type == "Conv"}
    image = prepared.graph.input[0].name
    names = {n.input[0] for n in originals.values()} - {image}
    # Held in half precision: all inner tensors of a hundred crops are half a gigabyte in single.
    exact_values = [
        {name: values[name].astype(np.float16) for name in names}
        for values in inner_values(prepared, sorted(names), batches)
    ]
    for node in [n for n in better.graph.node if n.op_type == "Conv"]:
        tick()
        original = originals[node.name]
        # A float layer that sees the image has nothing to make up for.
        if _group(node) != 1 or node.input[0] == image or len(node.input) < 3:
            continue
        kernel = stored[original.input[1]]
        given = [values[original.input[0]] for values in exact_values]
        seen = _moments(given, better, node, batches, kernel.shape)
        exact = kernel.reshape(len(kernel), -1).astype(np.float64)
        wanted = exact + exact @ _made_up_for(seen)
        if editor.is_quantized(node):
            scale = editor.weight_scale(node).astype(np.float64)
            codes, scale = round_rows(wanted, scale, seen.covariance, largest_code)
            editor.set_weights(node, codes.reshape(kernel.shape), scale)
            wanted = codes * scale[:, None]
        else:
            editor.put(node.input[1], wanted.reshape(kernel.shape))
        editor.add_to_bias(node, exact @ seen.exact - wanted @ seen.real)
    return better


def _made_up_for(seen: _Moments) -> Float64:
    """`(D, D)`, what to add to the identity so that real inputs predict the exact ones."""
    variance = np.trace(seen.covariance) / len(seen.covariance)
    damped = seen.covariance + CORRECTION_DAMPING * variance * np.eye(len(seen.covariance))
    change: Float64 = (seen.between - seen.covariance) @ np.linalg.inv(damped)
    return change


def round_rows(
    weights: Float64, scale: Float64, covariance: Float64, largest_code: int
) -> tuple[Float64, Float64]:
    """Codes and scales of the rows of a matrix.

    Args:
        weights: `(R, D)`.
        scale: `(R,)` that holds the largest weight of each row.
        covariance: `(D, D)` of the inputs, positive definite.
        largest_code: Codes run from minus this to this.

    Returns:
        codes: `(R, D)` whole numbers.
        scale: `(R,)`.
    """
    # The numbers with the largest spread of inputs are rounded while there are most to help.
    order = np.argsort(-np.diag(covariance), kind="stable")
    spread = np.diag(covariance)
    scale = _best_scale(weights, scale, spread, largest_code)
    inverse = np.linalg.inv(covariance[np.ix_(order, order)])
    carry = np.linalg.cholesky(inverse).T  # upper: row i says how i's error is taken up
    rest = weights[:, order].copy()
    codes = np.empty_like(rest)
    for i in range(rest.shape[1]):
        codes[:, i] = np.clip(np.round(rest[:, i] / scale), -largest_code, largest_code)
        error = (rest[:, i] - codes[:, i] * scale) / carry[i, i]
        rest[:, i + 1 :] -= np.outer(error, carry[i, i + 1 :])
    back = np.empty_like(codes)
    back[:, order] = codes
    return back, scale


def _best_scale(weights: Float64, scale: Float64, spread: Float64, largest_code: int) -> Float64:
    """The factor of each row's scale that rounds to the nearest with the least error."""
    best, least = scale.copy(), np.full(len(scale), np.inf)
    for factor in NARROWER:
        tried = scale * factor
        codes = np.clip(np.round(weights / tried[:, None]), -largest_code, largest_code)
        error = ((weights - codes * tried[:, None]) ** 2 * spread).sum(axis=1)
        better = error < least
        best[better], least[better] = tried[better], error[better]
    return best


def _moments(
    exact_values: Sequence[NDArray[Any]],
    quantized: onnx.ModelProto,
    node: onnx.NodeProto,
    batches: Sequence[NDArray[Any]],
    shape: tuple[int, ...],
) -> _Moments:
    """What one layer reads in both graphs, at the same places of the same images."""
    rng = np.random.default_rng(SEED)
    length = int(np.prod(shape[1:]))
    exact_sum, real_sum = np.zeros(length), np.zeros(length)
    products, between = np.zeros((length, length)), np.zeros((length, length))
    count = 0
    name = node.input[0]
    for values, known in zip(inner_values(quantized, [name], batches), exact_values, strict=True):
        exact = _columns(known.astype(np.float32), node, shape)
        real = _columns(values[name], node, shape)
        chosen = rng.permutation(len(real))[:PLACES]
        exact, real = exact[chosen], real[chosen]
        exact_sum += exact.sum(axis=0)
        real_sum += real.sum(axis=0)
        products += real.T @ real
        between += exact.T @ real
        count += len(real)
    exact_mean, real_mean = exact_sum / count, real_sum / count
    covariance = products / count - np.outer(real_mean, real_mean)
    some = (DAMPING * np.trace(covariance) / length + 1e-12) * np.eye(length)
    crossed = between / count - np.outer(exact_mean, real_mean)
    return _Moments(real_mean, exact_mean, covariance + some, crossed + some)


def _columns(x: NDArray[Any], node: onnx.NodeProto, shape: tuple[int, ...]) -> NDArray[Any]:
    """`(places, C * h * w)`: what a convolution multiplies with its kernel."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    padded = F.pad(torch.from_numpy(x), (left, right, top, bottom))
    windows = F.unfold(
        padded,
        shape[2:],
        dilation=tuple(attributes.get("dilations", (1, 1))),
        stride=tuple(attributes.get("strides", (1, 1))),
    )
    return windows.transpose(1, 2).reshape(-1, windows.shape[1]).numpy()


def _group(node: onnx.NodeProto) -> int:
    return next((a.i for a in node.attribute if a.name == "group"), 1)
