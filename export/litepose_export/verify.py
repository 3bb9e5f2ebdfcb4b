"""Does the exported graph compute what the PyTorch network computes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from litepose_edge import decode
from litepose_edge.backends._onnxruntime import OnnxRuntimeSession
from litepose_edge.geometry import Float32, Size
from litepose_export.errors import ParityError

TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two runs of one network are apart.

    Attributes:
        tensor: Largest difference of any output, as a part of that output's largest value.
        keypoint_px: Largest shift of a decoded keypoint in input pixels; None for detectors.
    """

    tensor: float
    keypoint_px: float | None


@torch.no_grad()
def check_parity(
    network: nn.Module, model: onnx.ModelProto, batches: list[Float32], stride: int | None
) -> Parity:
    """Compare PyTorch with ONNX Runtime on real inputs.

    Args:
        network: The network before export.
        model: The graph after it.
        batches: Normalised `(1, 3, H, W)` inputs.
        stride: Of the heatmaps, to compare keypoints as well; None for detectors.

    Raises:
        ParityError: An output differs by more than 1e-4 of its largest value.
    """
    network = network.eval()
    session = OnnxRuntimeSession(model.SerializeToString(), threads=1)
    worst, shift = 0.0, 0.0
    for batch in batches:
        expected = _outputs(network(torch.from_numpy(batch)))
        for want, got in zip(expected, session.run(batch).values(), strict=True):
            worst = max(worst, float(np.abs(got - want).max() / np.abs(want).max()))
            if stride is not None:
                shift = max(shift, _keypoint_shift(want, got, stride))
    session.close()
    if worst > TOLERANCE:
        raise ParityError(
            f"the exported graph differs from PyTorch by {worst:.2g} of an output's largest "
            f"value; at most {TOLERANCE:g} is allowed, nothing was written"
        )
    return Parity(worst, shift if stride is not None else None)


def _outputs(result: Any) -> list[NDArray[np.float32]]:
    tensors = result if isinstance(result, tuple) else (result,)
    return [t.numpy() for t in tensors]


def _keypoint_shift(first: Float32, second: Float32, stride: int) -> float:
    cells, _ = decode.decode_heatmaps(first)
    others, _ = decode.decode_heatmaps(second)
    size = Size(first.shape[3], first.shape[2])
    pixels = Size(size.width * stride, size.height * stride)
    a, b = (decode.cells_to_input(c, size, pixels) for c in (cells, others))
    return float(np.linalg.norm(a - b, axis=-1).max())
