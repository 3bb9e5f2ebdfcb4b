"""People as JSON and as COCO's results format."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from litepose_edge.results.person import Person

JSON_SCHEMA = 1


def coco_entry(
    image_id: int,
    score: float,
    *,
    keypoints: NDArray[Any] | None = None,
    scores: NDArray[Any] | None = None,
    box_xyxy: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """One entry of COCO's results format: a person's keypoints, box, or both.

    Args:
        image_id: COCO's id of the image.
        score: Confidence in the person, by which average precision ranks the entries.
        keypoints: `(K, 2)` float, `(x, y)` in pixels; together with `scores`.
        scores: `(K,)` float.
        box_xyxy: `(4,)` float, edges in pixels.
    """
    entry: dict[str, Any] = {"image_id": image_id, "category_id": 1}
    if keypoints is not None and scores is not None:
        entry["keypoints"] = np.column_stack([keypoints, scores]).ravel().tolist()
    if box_xyxy is not None:
        entry["bbox"] = [*box_xyxy[:2].tolist(), *(box_xyxy[2:] - box_xyxy[:2]).tolist()]
    entry["score"] = float(score)
    return entry


def person_document(person: Person) -> dict[str, Any]:
    """One person of the JSON document: finite numbers, 3 decimals."""
    points = np.column_stack([person.keypoints, person.scores]).astype(np.float64)
    return {
        "track_id": person.track_id,
        "score": round(person.score, 3),
        "box_xyxy": person.box_xyxy.astype(np.float64).round(3).tolist(),
        "keypoints": points.round(3).tolist(),
    }
