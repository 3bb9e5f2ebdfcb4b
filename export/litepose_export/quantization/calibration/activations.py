"""Reads inner tensors of a float graph on calibration inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from litepose_edge.backends import open_bytes
from litepose_edge.geometry import Float32


def channel_maxima(
    model: onnx.ModelProto, names: Sequence[str], batches: Iterable[NDArray[Any]]
) -> dict[str, Float32]:
    """Largest magnitude of each channel of inner tensors `(N, C, H, W)`: `(C,)` float32 each."""
    return _reduced(model, names, batches, lambda v: np.abs(v).max(axis=(0, 2, 3)), np.maximum)


def channel_means(
    model: onnx.ModelProto, names: Sequence[str], batches: Sequence[NDArray[Any]]
) -> dict[str, Float32]:
    """Mean of each channel of inner tensors `(N, C, H, W)`: `(C,)` float32 each."""
    sums = _reduced(model, names, batches, lambda v: v.mean(axis=(0, 2, 3)), np.add)
    return {name: total / np.float32(len(batches)) for name, total in sums.items()}


def inner_values(
    model: onnx.ModelProto, names: Sequence[str], batches: Iterable[NDArray[Any]]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Values of inner tensors, one batch after the other."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    known = {output.name for output in opened.graph.output}
    opened.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in known
    )
    session = open_bytes(opened.SerializeToString())
    for batch in batches:
        yield session.run(batch)
    session.close()


def _reduced(
    model: onnx.ModelProto,
    names: Sequence[str],
    batches: Iterable[NDArray[Any]],
    reduce: Callable[[NDArray[Any]], NDArray[Any]],
    combine: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]],
) -> dict[str, Float32]:
    found: dict[str, NDArray[Any]] = {}
    for values in inner_values(model, names, batches):
        for name in names:
            value = reduce(values[name])
            found[name] = combine(found[name], value) if name in found else value
    return found
