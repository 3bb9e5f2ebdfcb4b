"""People as flat columns, in parts of the image, and as another library's keypoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import BackendUnavailableError
from litepose_edge.geometry import Float32

if TYPE_CHECKING:
    from litepose_edge.results.poses import Poses


class Normalized(NamedTuple):
    """Places as parts of the image's width and height.

    Attributes:
        keypoints: `(P, K, 2)` float32, in `[0, 1]` inside the image.
        boxes_xyxy: `(P, 4)` float32.
    """

    keypoints: Float32
    boxes_xyxy: Float32


def normalized(poses: Poses) -> Normalized:
    """Parts of the image's width and height, from its left and upper edge."""
    width, height = poses.image_size.width, poses.image_size.height
    size: Float32 = np.array([width, height, width, height], np.float32)
    # Whole numbers are the centres of pixels: the edge is half a pixel before the first.
    half = np.float32(0.5)
    return Normalized((poses.keypoints + half) / size[:2], (poses.boxes_xyxy + half) / size)


def columns(poses: Poses) -> dict[str, NDArray[Any]]:
    """One row a person, one column a number: all `(P,)`, contiguous, in memory of their own."""
    table: dict[str, NDArray[Any]] = {"person": np.arange(len(poses))}
    if poses.track_ids is not None:
        table["track_id"] = poses.track_ids.copy()
    table["score"] = poses.person_scores.copy()
    for i, edge in enumerate(("box_x1", "box_y1", "box_x2", "box_y2")):
        table[edge] = poses.boxes_xyxy[:, i].copy()
    for i, name in enumerate(poses.skeleton.keypoint_names):
        table[f"{name}_x"] = poses.keypoints[:, i, 0].copy()
        table[f"{name}_y"] = poses.keypoints[:, i, 1].copy()
        table[f"{name}_score"] = poses.scores[:, i].copy()
    return table


def supervision_key_points(poses: Poses) -> Any:
    """The people as `supervision.KeyPoints`.

    Raises:
        BackendUnavailableError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError as exc:
        raise BackendUnavailableError(
            "supervision is not installed. Run: pip install 'supervision>=0.31' "
            "(older ones bring a second OpenCV)"
        ) from exc
    extra: dict[str, Any] = {"person_score": poses.person_scores.copy()}
    if poses.track_ids is not None:
        extra["track_id"] = poses.track_ids.copy()
    keypoints = poses.keypoints.copy()
    marked = hasattr(supervision.KeyPoints, "visible")
    if not marked:
        # Before supervision 0.29 annotators leave out nothing but keypoints at (0, 0).
        keypoints[~poses.visible] = 0
    # By place: the third argument is called `confidence` before 0.29 and `keypoint_confidence`
    # since.
    found = supervision.KeyPoints(
        keypoints, np.zeros(len(poses), np.int64), poses.scores.copy(), data=extra
    )
    if marked:
        found.visible = poses.visible
        found.detection_confidence = poses.person_scores.copy()
    return found
