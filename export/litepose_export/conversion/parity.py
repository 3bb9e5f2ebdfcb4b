"""Does the exported graph compute what the PyTorch network computes?"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from litepose_edge.backends import open_bytes
from litepose_edge.decoding import heatmaps
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import HeatmapSpec, InputSpec, Manifest, TopDownSpec
from litepose_export.errors import ParityError

TOLERANCE = 1e-4
# Of weights stored as float16: their rounding moves trained networks' outputs by up to 1e-3.
HALF_TOLERANCE = 5e-3
# A joint's place is compared only where its peak stands this far, as a part of the map's range,
# above the next one: between equal peaks the last bit decides.
CLEAR_PEAK = 1e-3
SEED = 5


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two runs of one network are apart.

    Attributes:
        tensor: Largest difference of any output, as a part of that output's largest value.
        keypoint_px: Largest shift of a clear keypoint in input pixels; None without heatmaps of
            one person.
        clear_joints: Part of the joints whose peak was clear enough to compare.
    """

    tensor: float
    keypoint_px: float | None = None
    clear_joints: float | None = None


def random_inputs(spec: InputSpec, count: int) -> list[NDArray[Any]]:
    """Inputs `(1, ...)` of noise, the same every time, for networks without photographs."""
    rng = np.random.default_rng(SEED)
    if spec.dtype == "uint8":
        shape = (1, spec.height, spec.width, 3)
        return [rng.integers(0, 256, shape, np.uint8) for _ in range(count)]
    shape = (1, 3, spec.height, spec.width)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(count)]


@torch.no_grad()
def check_parity(
    network: nn.Module,
    model: onnx.ModelProto,
    batches: Sequence[NDArray[Any]],
    manifest: Manifest,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare PyTorch, computing in float64, with ONNX Runtime.

    Float64, since deep networks with untrained weights amplify the rounding of float32 until
    two correct implementations are 1e-4 apart.

    Args:
        network: The network before export.
        model: The graph after it.
        batches: What both are given.
        manifest: Says how maps become keypoints.
        tolerance: How far outputs may be apart, as a part of their largest value.

    Raises:
        ParityError: An output differs by more than that, or is not finite.
    """
    reference = _in_double(network, batches[0])
    session = open_bytes(model.SerializeToString())
    worst, shift = 0.0, 0.0
    maps = isinstance(manifest.model, TopDownSpec) and manifest.model.heatmaps is not None
    clear: list[NDArray[np.bool_]] = []
    for batch in batches:
        inputs = torch.from_numpy(batch)
        if inputs.is_floating_point():
            inputs = inputs.to(reference.kind)
        expected = _outputs(reference.network(inputs))
        for want, got in zip(expected, session.run(batch).values(), strict=True):
            worst = max(worst, _difference(want, got))
            if maps:
                clear.append(clear_peaks(want))
                moved = _keypoint_shift(want, got, manifest)
                shift = max(shift, float(moved[clear[-1]].max(initial=0)))
    session.close()
    if not worst <= tolerance:
        raise ParityError(
            f"the exported graph differs from PyTorch by {worst:.2g} of an output's largest "
            f"value; at most {tolerance:g} is allowed, nothing was written"
        )
    if not clear:
        return Parity(worst)
    return Parity(worst, shift, float(np.concatenate(clear).mean()))


@dataclass(frozen=True, slots=True)
class _Reference:
    network: nn.Module
    kind: torch.dtype


def _in_double(network: nn.Module, batch: NDArray[Any]) -> _Reference:
    """The network in float64; in float32 where it makes float32 tensors by itself."""
    copied = copy.deepcopy(network).to("cpu").eval().double()
    inputs = torch.from_numpy(batch)
    try:
        copied(inputs.double() if inputs.is_floating_point() else inputs)
    except RuntimeError:  # two types in one product
        return _Reference(copied.float(), torch.float32)
    return _Reference(copied, torch.float64)


def _difference(want: Float32, got: Float32) -> float:
    """Largest difference as a part of the largest value.

    Raises:
        ParityError: One of them holds NaN or infinity, which compare with nothing.
    """
    for whose, values in (("PyTorch network", want), ("exported graph", got)):
        if not np.isfinite(values).all():
            raise ParityError(
                f"the {whose} gives NaN or infinite outputs on inputs like a photograph's; "
                "expected finite ones: check the checkpoint's weights. Nothing was written"
            )
    if got.shape != want.shape:
        raise ParityError(
            f"the exported graph gives {got.shape} where PyTorch gives {want.shape}; "
            "nothing was written"
        )
    gap, largest = np.abs(got - want).max(), np.abs(want).max()
    return float(gap / largest if largest else gap)


def clear_peaks(maps: Float32) -> NDArray[np.bool_]:
    """`(N, K)` bool: the highest cell stands clear of every other local maximum."""
    flat = maps.reshape(-1, *maps.shape[2:])
    clear = np.zeros(len(flat), np.bool_)
    for i, heat in enumerate(flat):
        peaks = heat[cv2.dilate(heat, np.ones((3, 3), np.uint8)) == heat]
        highest = np.sort(peaks)[::-1]
        margin = CLEAR_PEAK * float(np.ptp(heat))
        clear[i] = len(highest) == 1 or highest[0] - highest[1] > margin
    return clear.reshape(maps.shape[:2])


def _outputs(result: Any) -> list[NDArray[np.float32]]:
    tensors = result if isinstance(result, tuple | list) else (result,)
    return [t.float().numpy() for t in tensors]


def _keypoint_shift(first: Float32, second: Float32, manifest: Manifest) -> Float32:
    """`(N, K)` distances in input pixels."""
    assert isinstance(manifest.model, TopDownSpec)
    spec, pixels = manifest.model.head, manifest.input.size
    assert isinstance(spec, HeatmapSpec)
    places = []
    for maps in (first, second):
        cells, _ = heatmaps.decode_as(maps, spec, manifest.model.skeleton)
        size = Size(maps.shape[3], maps.shape[2])
        places.append(heatmaps.cells_to_input(cells, size, pixels, spec.alignment))
    distances: Float32 = np.linalg.norm(places[0] - places[1], axis=-1)
    return distances
