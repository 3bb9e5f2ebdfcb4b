"""rtmlib's ViTPose class around a file of ours, as its users would make it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from benchmarks.peers.onnx_threads import within_affinity
from litepose_edge.geometry import Size


def open_vitpose(file: Path, size: Size) -> Any:
    """A callable that takes a frame and xyxy boxes, and gives keypoints and scores.

    Args:
        file: An ONNX graph of heatmaps.
        size: Of its input.

    Raises:
        ImportError: rtmlib is not installed.
    """
    from rtmlib.tools.pose_estimation.vitpose import ViTPose

    with contextlib.redirect_stdout(io.StringIO()), within_affinity():
        return ViTPose(str(file), model_input_size=(size.width, size.height))
