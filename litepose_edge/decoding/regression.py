"""Direct regression: a table of coordinates to keypoints in input pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import RegressionSpec


def decode_regression(
    values: Float32, keypoints: int, input_size: Size, spec: RegressionSpec
) -> tuple[Float32, Float32]:
    """Read keypoints off a table of coordinates.

    Args:
        values: `(P, ..., K, 3)` float32.
        keypoints: K.
        input_size: Size of the network's input.
        spec: What the columns hold.

    Returns:
        keypoints: `(P, K, 2)` float32 in input pixels.
        scores: `(P, K)` float32 in `[0, 1]`.

    Raises:
        ManifestError: The table has another shape.
    """
    if (
        values.ndim < 3
        or not len(values)
        or values[0].size != keypoints * 3
        or values.shape[-1] != 3
    ):
        raise ManifestError(
            f"expected (N, {keypoints}, 3) coordinates and scores, the network gives {values.shape}"
        )
    table = values.reshape(len(values), keypoints, 3)
    places = table[..., [spec.order.index("x"), spec.order.index("y")]]
    scores = table[..., spec.order.index("score")]
    if spec.activation == "sigmoid":
        exponential: Float32 = np.exp(-np.maximum(scores, np.float32(-80)))
        scores = np.reciprocal(1 + exponential)
    if spec.unit == "image":
        pixels = np.array([input_size.width, input_size.height], np.float32)
        match spec.alignment:
            case "corner":
                places = places * pixels
            case "centre":
                places = places * pixels - np.float32(0.5)
            case "udp":
                places = places * (pixels - 1)
    return places.astype(np.float32), scores.clip(0, 1).astype(np.float32, copy=False)


def average_mirrored_table(
    values: Float32,
    mirrored: Float32,
    flip_permutation: Sequence[int],
    input_size: Size,
    spec: RegressionSpec,
) -> Float32:
    """Average coordinates of a crop with those of its mirror image.

    Args:
        values: `(P, ..., K, 3)` float32 of the crop.
        mirrored: The same of the mirrored crop.
        flip_permutation: Index of each keypoint's counterpart on the other side.
        input_size: Size of the network's input.
        spec: What the columns hold.
    """
    # Pixel p becomes width - 1 - p.
    last = float(input_size.width - 1)
    if spec.unit == "image":
        last = last / input_size.width if spec.alignment == "corner" else 1.0
    back = mirrored[..., list(flip_permutation), :].copy()
    x = spec.order.index("x")
    back[..., x] = last - back[..., x]
    return (values + back) * np.float32(0.5)
