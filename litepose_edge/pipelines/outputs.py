"""What a network gave, held to what its manifest says, before anything is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32

FLOAT32_MAX = float(np.finfo(np.float32).max)


def read_outputs(
    outputs: Mapping[str, Any], names: Sequence[str], network: str, *, decoded: bool = False
) -> tuple[Float32, ...]:
    """The outputs that decoding reads, as float32.

    Args:
        outputs: What a session gave.
        names: Those the manifest names.
        network: What to call the network in an error, such as `"pose network"`.
        decoded: Whether they are a graph's own boxes, scores and labels: labels are whole numbers,
            and some boxes may overflow, but not all. Other outputs are finite fractions.

    Raises:
        ManifestError: One is missing, or holds something else.
    """
    found = []
    for name in names:
        if name not in outputs:
            raise ManifestError(f"the {network} has no output '{name}'")
        values = outputs[name]
        kind = values.dtype if isinstance(values, np.ndarray) else type(values)
        if not isinstance(kind, np.dtype) or kind.kind not in ("fiu" if decoded else "f"):
            wanted = "numbers" if decoded else "floating-point numbers"
            raise ManifestError(f"expected {wanted} in '{name}', the {network} gives {kind}")
        if values.dtype != np.float32:
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
        # 2 us for the 13,000 values of a crop, .3 ms for the 1.8 million of a bottom-up image:
        # at most .3 % of what the network takes.
        finite = np.isfinite(values)
        if not (finite.any() or not finite.size if decoded else finite.all()):
            raise ManifestError(
                f"expected finite numbers in '{name}', the {network} gives NaN or infinity: its "
                "weights are damaged, or overflow in the number format it was made for"
            )
        found.append(values)
    return tuple(found)


def expect_shape(
    values: NDArray[Any], expected: Sequence[int | None], name: str, network: str, what: str
) -> None:
    """Whether an output has the axes that the manifest makes of it.

    Args:
        values: The output.
        expected: The length of each axis; None for any but 0.
        name: The output's.
        network: What to call the network in an error.
        what: What the manifest says, in words.

    Raises:
        ManifestError: It has others.
    """
    shape = values.shape
    if len(shape) != len(expected) or not all(
        length > 0 if wanted is None else length == wanted
        for length, wanted in zip(shape, expected, strict=True)
    ):
        axes = ", ".join("n" if wanted is None else str(wanted) for wanted in expected)
        raise ManifestError(f"{what}, ({axes}) in '{name}'; the {network} gives {shape}")


def expect_finite(keypoints: NDArray[Any], network: str) -> Float32:
    """Keypoints as float32.

    Raises:
        ManifestError: Some are not finite: the outputs they were decoded from are beyond measure.
    """
    # One number tells of all; it is NaN where one of them is.
    if not np.abs(keypoints).max(initial=0) <= FLOAT32_MAX:
        raise ManifestError(
            f"expected finite keypoints, the {network}'s outputs decode to NaN or infinity: its "
            "head in the manifest is not the network's"
        )
    return keypoints.astype(np.float32)
