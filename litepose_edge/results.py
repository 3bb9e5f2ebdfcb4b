"""What the estimator returns: all people of one image as arrays, and one person as a view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from litepose_edge import drawing
from litepose_edge.errors import BackendUnavailableError
from litepose_edge.geometry import Float32, Size
from litepose_edge.options import real_number
from litepose_edge.skeletons import Skeleton

JSON_SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person: a row of `Poses`.

    Attributes:
        keypoints: `(K, 2)` float32 `(x, y)` in pixels.
        scores: `(K,)` float32 in `[0, 1]`.
        box_xyxy: `(4,)` float32 in pixels.
        score: Confidence in the whole person, in `[0, 1]`.
        track_id: Identity over time, or None where nothing tracks.
    """

    keypoints: Float32
    scores: Float32
    box_xyxy: Float32
    score: float
    track_id: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """All people found in one image, in that image's pixel coordinates.

    Attributes:
        keypoints: `(P, K, 2)` float32 `(x, y)` in pixels; pixel centres are integers. Always
            finite; how far to trust them is in `scores`.
        scores: `(P, K)` float32 in `[0, 1]`.
        boxes_xyxy: `(P, 4)` float32 edges in pixels: as they were given, or a detector model's,
            widened to hold the body that confident keypoints show.
        person_scores: `(P,)` float32 in `[0, 1]`.
        skeleton: Names and bones of the keypoints.
        image_size: Size of the image.
        track_ids: `(P,)` int64, or None where nothing tracks.
    """

    keypoints: Float32
    scores: Float32
    boxes_xyxy: Float32
    person_scores: Float32
    skeleton: Skeleton
    image_size: Size
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        people, keypoints = len(self.keypoints), len(self.skeleton)
        assert self.keypoints.shape == (people, keypoints, 2), self.keypoints.shape
        assert self.scores.shape == (people, keypoints), self.scores.shape
        assert self.boxes_xyxy.shape == (people, 4), self.boxes_xyxy.shape
        assert self.person_scores.shape == (people,), self.person_scores.shape
        assert self.track_ids is None or self.track_ids.shape == (people,)

    @classmethod
    def empty(cls, skeleton: Skeleton, image_size: Size) -> Poses:
        """No people: every array has `P == 0`."""
        return cls(
            keypoints=np.zeros((0, len(skeleton), 2), np.float32),
            scores=np.zeros((0, len(skeleton)), np.float32),
            boxes_xyxy=np.zeros((0, 4), np.float32),
            person_scores=np.zeros(0, np.float32),
            skeleton=skeleton,
            image_size=image_size,
        )

    def __len__(self) -> int:
        return len(self.keypoints)

    def __repr__(self) -> str:
        size = f"{self.image_size.width}x{self.image_size.height}"
        return f"Poses({len(self)} people, {self.skeleton.name}, image {size})"

    def __iter__(self) -> Iterator[Person]:
        return (self._person(i) for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any]) -> Poses: ...
    def __getitem__(self, index: int | slice | NDArray[Any]) -> Person | Poses:
        """One `Person` for an integer; the chosen people for a slice, mask or index array."""
        if isinstance(index, int | np.integer):
            return self._person(int(index))
        return Poses(
            keypoints=self.keypoints[index],
            scores=self.scores[index],
            boxes_xyxy=self.boxes_xyxy[index],
            person_scores=self.person_scores[index],
            skeleton=self.skeleton,
            image_size=self.image_size,
            track_ids=None if self.track_ids is None else self.track_ids[index],
        )

    def _person(self, i: int) -> Person:
        return Person(
            keypoints=self.keypoints[i],
            scores=self.scores[i],
            box_xyxy=self.boxes_xyxy[i],
            score=float(self.person_scores[i]),
            track_id=None if self.track_ids is None else int(self.track_ids[i]),
        )

    def as_tuple(self) -> tuple[Float32, Float32]:
        """`(keypoints, scores)`, as rtmlib returns them."""
        return self.keypoints, self.scores

    def to_supervision(self) -> Any:
        """The people as `supervision.KeyPoints`, ids and person scores in its `data`.

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
        extra: dict[str, Any] = {"person_score": self.person_scores.copy()}
        if self.track_ids is not None:
            extra["track_id"] = self.track_ids.copy()
        if not len(self):
            return supervision.KeyPoints.empty()
        # By place: the third argument is called `confidence` before supervision 0.29 and
        # `keypoint_confidence` since.
        return supervision.KeyPoints(
            self.keypoints.copy(), np.zeros(len(self), np.int64), self.scores.copy(), data=extra
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain dicts and lists; finite numbers, 3 decimals."""
        return {
            "schema": JSON_SCHEMA,
            "image": {"width": self.image_size.width, "height": self.image_size.height},
            "keypoint_names": list(self.skeleton.keypoint_names),
            "people": [_person_dict(person) for person in self],
        }

    def to_json(self) -> str:
        """The people as a JSON document, schema 1."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """Entries of COCO's keypoint results format, one a person."""
        return [
            coco_entry(
                image_id, p.score, keypoints=p.keypoints, scores=p.scores, box_xyxy=p.box_xyxy
            )
            for p in self
        ]

    def draw(self, frame: NDArray[np.uint8], *, min_score: float = 0.3) -> NDArray[np.uint8]:
        """A copy of the frame with the skeletons on it.

        Args:
            frame: `(H, W, 3)` uint8 BGR, the image the poses come from.
            min_score: Keypoints below are not drawn.

        Raises:
            ValueError: `min_score` is no number in [0, 1].
        """
        min_score = real_number("min_score", min_score, 0, 1)
        return drawing.draw_people(
            frame, self.keypoints, self.scores, self.skeleton, min_score=min_score
        )


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


def _person_dict(person: Person) -> dict[str, Any]:
    points = np.column_stack([person.keypoints, person.scores]).astype(np.float64)
    return {
        "track_id": person.track_id,
        "score": round(person.score, 3),
        "box_xyxy": person.box_xyxy.astype(np.float64).round(3).tolist(),
        "keypoints": points.round(3).tolist(),
    }
