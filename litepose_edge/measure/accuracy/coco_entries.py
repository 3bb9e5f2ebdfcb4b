"""Arrays of one photograph as entries of COCO's results format, as `coco_metrics` takes them."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from litepose_edge.results import coco_entry


def keypoint_entries(
    image_id: int, keypoints: NDArray[Any], scores: NDArray[Any], person_scores: NDArray[Any]
) -> list[dict[str, Any]]:
    """Entries for keypoint metrics, one a person.

    Args:
        image_id: COCO's id of the photograph.
        keypoints: `(P, K, 2)` float, `(x, y)` in pixels of the photograph.
        scores: `(P, K)` float.
        person_scores: `(P,)` float; average precision ranks the people by them.
    """
    return [
        coco_entry(image_id, score, keypoints=points, scores=row)
        for points, row, score in zip(keypoints, scores, person_scores, strict=True)
    ]


def box_entries(
    image_id: int, boxes_xyxy: NDArray[Any], scores: NDArray[Any]
) -> list[dict[str, Any]]:
    """Entries for box metrics, one a box.

    Args:
        image_id: COCO's id of the photograph.
        boxes_xyxy: `(P, 4)` float, edges in pixels of the photograph.
        scores: `(P,)` float; average precision ranks the boxes by them.
    """
    return [
        coco_entry(image_id, score, box_xyxy=box)
        for box, score in zip(boxes_xyxy, scores, strict=True)
    ]
