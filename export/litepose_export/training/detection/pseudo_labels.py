"""Pseudo-labels: a teacher detector's boxes of people without labels in the photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.backends import files, open_files
from litepose_edge.backends.session import Session
from litepose_edge.boxes import nms
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import IMAGENET_MEAN, IMAGENET_STD
from litepose_export.errors import ExportError

INPUT = Size(640, 640)
STRIDES = (8, 16, 32)
# The teacher takes BGR.
MEAN, STD = (np.array(t[::-1], np.float32) for t in (IMAGENET_MEAN, IMAGENET_STD))
MIN_SCORE = 0.2
MAX_IOU = 0.6


def open_detector(path: Path) -> Session:
    """An RTMDet person detector (raw heads: class logits, then distances in pixels), on one thread.

    Raises:
        ModelError: The ONNX file is not there, or ONNX Runtime cannot load it.
        ExportError: It has other outputs.
    """
    opened = open_files(files.read(path), "onnxruntime", threads=1)
    if len(opened.outputs) != 2 * len(STRIDES):
        raise ExportError(
            f"{path} has {len(opened.outputs)} outputs and is no RTMDet person detector: expected "
            f"its {2 * len(STRIDES)} raw heads, class logits and distances of {len(STRIDES)} levels"
        )
    return opened.session


def detect_people(
    images: Sequence[NDArray[np.uint8]], detector: Session, progress: Callable[[], None]
) -> list[Float32]:
    """Run a person detector.

    Args:
        images: `(H, W, 3)` uint8 BGR.
        detector: As `open_detector` opens it.
        progress: Called after each image.

    Returns:
        For each image `(P, 5)` float32 `(x1, y1, x2, y2, score)`, best first.
    """
    found = []
    for image in images:
        to_input = geometry.letterbox_affine(Size.of(image), INPUT)
        pixels = cv2.warpAffine(
            image, to_input, (INPUT.width, INPUT.height), borderValue=(114, 114, 114)
        )
        batch = ((pixels.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
        outputs = detector.run(np.ascontiguousarray(batch)).values()
        boxes, scores = _decode([np.asarray(o)[0] for o in outputs])
        kept = nms(boxes, scores, MAX_IOU)
        corners = geometry.transform(geometry.invert(to_input), boxes[kept].reshape(-1, 2))
        found.append(np.column_stack([corners.reshape(-1, 4), scores[kept]]).astype(np.float32))
        progress()
    return found


def _decode(outputs: list[Float32]) -> tuple[Float32, Float32]:
    boxes, scores = [], []
    for logits, distances, stride in zip(outputs[:3], outputs[3:], STRIDES, strict=True):
        score = 1 / (1 + np.exp(-logits[0]))
        y, x = np.nonzero(score > MIN_SCORE)
        left, top, right, bottom = distances[:, y, x]
        cx, cy = x * stride, y * stride
        boxes.append(np.stack([cx - left, cy - top, cx + right, cy + bottom], axis=1))
        scores.append(score[y, x])
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores).astype(np.float32)
