"""One-stage heads: tables of people, boxes and keypoints together, to candidates in the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest import YoloPoseFormat

# Suppression compares each candidate with each: a threshold of 0 would hand it every cell.
MAX_CANDIDATES = 1000
ROUNDING = 1e-3
LEAST_SCORE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """People whom a network proposes, in pixels counted from the input's outer corner.

    Attributes:
        boxes: `(N, 4)` float32 xyxy, of any extent.
        scores: `(N,)` float32 in `[0, 1]`, of whole people.
        keypoints: `(N, K, 2)` float32.
        keypoint_scores: `(N, K)` float32 in `[0, 1]`.
    """

    boxes: Float32
    scores: Float32
    keypoints: Float32
    keypoint_scores: Float32

    def __getitem__(self, chosen: NDArray[Any]) -> Candidates:
        """Those of a mask or of indices."""
        return Candidates(
            self.boxes[chosen],
            self.scores[chosen],
            self.keypoints[chosen],
            self.keypoint_scores[chosen],
        )


def decode_yolo_pose(
    output: Float32,
    output_format: YoloPoseFormat,
    keypoints: int,
    input_size: Size,
    min_score: float,
) -> Candidates:
    """People of a YOLO pose head, either form.

    Args:
        output: `(1, 4 + classes + 3 * K, N)` float32, or end to end `(1, N, 6 + 3 * K)`.
        output_format: Which form, which class and which unit.
        keypoints: K.
        input_size: Size of the network's input.
        min_score: Candidates below are skipped.

    Returns:
        At most 1000, the best; of the raw form they overlap.

    Raises:
        ManifestError: The table has another shape, or a score is beyond 1.
    """
    _expect_yolo_pose(output.shape, output_format, keypoints)
    if output_format.end_to_end:
        table, person = output[0], output_format.person
        kept = _best(table[:, 4], min_score)
        if person is not None:
            kept = kept[table[kept, 5] == person]
        rows = table[kept]
        found = _candidates(rows[:, :4], rows[:, 4], rows[:, 6:], keypoints)
        return found if output_format.unit == "pixels" else _in_pixels(found, input_size)
    columns, first = output[0], 4 + output_format.classes
    if output_format.person is not None:
        scores: Float32 = columns[4 + output_format.person]
    else:
        scores = columns[4] if output_format.classes == 1 else columns[4:first].max(axis=0)
    kept = _best(scores, min_score)
    rows = columns[:, kept].T
    with np.errstate(over="ignore"):  # what is not finite then is dropped with boxes without area
        half = rows[:, 2:4] / 2
        boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    found = _candidates(boxes, scores[kept], rows[:, first:], keypoints)
    return found if output_format.unit == "pixels" else _in_pixels(found, input_size)


def decode_rtmo(boxes: Float32, points: Float32, keypoints: int, min_score: float) -> Candidates:
    """People of RTMO.

    Args:
        boxes: `(1, N, 5)` float32: edges and score.
        points: `(1, N, K, 3)` float32: x, y and score.
        keypoints: K.
        min_score: People below are skipped.

    Raises:
        ManifestError: The tables have other shapes, or a score is beyond 1.
    """
    if boxes.ndim != 3 or len(boxes) != 1 or boxes.shape[2] != 5:
        raise ManifestError(
            f"expected boxes (1, N, 5), the pose network gives {boxes.shape}: name the outputs in "
            "the order boxes, keypoints"
        )
    if points.shape != (1, boxes.shape[1], keypoints, 3):
        raise ManifestError(
            f"expected keypoints (1, {boxes.shape[1]}, {keypoints}, 3) beside boxes {boxes.shape} "
            f"and a skeleton of {keypoints}, the pose network gives {points.shape}"
        )
    kept = _best(boxes[0, :, 4], min_score)
    return _candidates(boxes[0, kept, :4], boxes[0, kept, 4], points[0, kept], keypoints)


def _expect_yolo_pose(
    shape: tuple[int, ...], output_format: YoloPoseFormat, keypoints: int
) -> None:
    rows, columns = 4 + output_format.classes + 3 * keypoints, 6 + 3 * keypoints
    if len(shape) == 3 and shape[0] == 1:
        if output_format.end_to_end and shape[2] == columns:
            return
        if not output_format.end_to_end and shape[1] == rows and shape[2]:
            return
    if output_format.end_to_end:
        wanted = f"(1, N, {columns}): box, score, class and {keypoints} keypoints of three numbers"
    else:
        wanted = (
            f"(1, {rows}, N): box, {output_format.classes} class score(s) and {keypoints} "
            "keypoints of three numbers"
        )
    raise ManifestError(
        f"expected {wanted}; the pose network gives {shape}: give the skeleton of its keypoints, "
        "`classes` and `end_to_end` as the network has them"
    )


def _best(scores: Float32, min_score: float) -> NDArray[np.intp]:
    """Indices of the candidates to go on with.

    Raises:
        ManifestError: A score is beyond 1.
    """
    highest = float(scores.max(initial=0))
    if highest > 1 + ROUNDING:
        raise ManifestError(
            f"the pose network scores a person {highest:.3g}, beyond 1: expected probabilities, "
            "which a sigmoid at the graph's end makes of logits"
        )
    kept = np.flatnonzero(scores >= max(min_score, LEAST_SCORE))
    if len(kept) > MAX_CANDIDATES:
        kept = kept[np.argsort(-scores[kept], kind="stable")[:MAX_CANDIDATES]]
    return kept


def _in_pixels(found: Candidates, input_size: Size) -> Candidates:
    extent = np.array([input_size.width, input_size.height], np.float32)
    with np.errstate(over="ignore"):  # as above
        boxes, points = found.boxes * np.tile(extent, 2), found.keypoints * extent
    return Candidates(boxes, found.scores, points, found.keypoint_scores)


def _candidates(boxes: Float32, scores: Float32, points: Float32, keypoints: int) -> Candidates:
    table = points.reshape(len(boxes), keypoints, 3)
    return Candidates(
        np.ascontiguousarray(boxes),
        scores.clip(0, 1).astype(np.float32, copy=False),
        table[..., :2],
        table[..., 2].clip(0, 1),
    )
