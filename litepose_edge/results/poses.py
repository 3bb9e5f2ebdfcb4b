"""All people of one image as arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from litepose_edge.geometry import Float32, Size
from litepose_edge.manifest.parts import MIN_KEYPOINT_SCORE
from litepose_edge.options import real_number, whole_number
from litepose_edge.results import measures
from litepose_edge.results.documents import JSON_SCHEMA, coco_entry, person_document
from litepose_edge.results.person import Person
from litepose_edge.skeletons import Skeleton
from litepose_edge.sources import Colour, ImageLike, read_input
from litepose_edge.sources.inputs import MAX_PIXELS

if TYPE_CHECKING:
    from litepose_edge import drawing
    from litepose_edge.results.tables import Normalized

NOTEBOOK_SIDE = 640
MOST_ID = 2**63 - 1


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
        min_keypoint_score: A keypoint of at least this score is visible. The model's own: of
            keypoints with this score half are right; 0.3 where its file does not say.
    """

    keypoints: Float32
    scores: Float32
    boxes_xyxy: Float32
    person_scores: Float32
    skeleton: Skeleton
    image_size: Size
    track_ids: NDArray[np.int64] | None = None
    min_keypoint_score: float = MIN_KEYPOINT_SCORE

    def __post_init__(self) -> None:
        people, keypoints = len(self.keypoints), len(self.skeleton)
        assert self.keypoints.shape == (people, keypoints, 2), self.keypoints.shape
        assert self.scores.shape == (people, keypoints), self.scores.shape
        assert self.boxes_xyxy.shape == (people, 4), self.boxes_xyxy.shape
        assert self.person_scores.shape == (people,), self.person_scores.shape
        assert self.track_ids is None or self.track_ids.shape == (people,)

    @classmethod
    def empty(
        cls,
        skeleton: Skeleton,
        image_size: Size,
        *,
        min_keypoint_score: float = MIN_KEYPOINT_SCORE,
    ) -> Poses:
        """No people: every array has `P == 0`."""
        return cls(
            keypoints=np.zeros((0, len(skeleton), 2), np.float32),
            scores=np.zeros((0, len(skeleton)), np.float32),
            boxes_xyxy=np.zeros((0, 4), np.float32),
            person_scores=np.zeros(0, np.float32),
            skeleton=skeleton,
            image_size=image_size,
            min_keypoint_score=min_keypoint_score,
        )

    def __len__(self) -> int:
        return len(self.keypoints)

    def __repr__(self) -> str:
        size = f"{self.image_size.width}x{self.image_size.height}"
        people = "1 person" if len(self) == 1 else f"{len(self)} people"
        return f"Poses({people}, {self.skeleton.name}, image {size})"

    def __iter__(self) -> Iterator[Person]:
        return (self._person(i) for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any]) -> Poses: ...
    def __getitem__(self, index: int | slice | NDArray[Any]) -> Person | Poses:
        """One `Person` for an integer; the chosen people for a slice, mask or index array.

        Raises:
            IndexError: There is no such person, or it is none of these.
        """
        if isinstance(index, int | np.integer) and not isinstance(index, bool):
            if not -len(self) <= index < len(self):
                raise IndexError(f"there are {len(self)} people, counted from 0; got {index}")
            return self._person(int(index))
        _check_choice(index, len(self))
        return Poses(
            keypoints=self.keypoints[index],
            scores=self.scores[index],
            boxes_xyxy=self.boxes_xyxy[index],
            person_scores=self.person_scores[index],
            skeleton=self.skeleton,
            image_size=self.image_size,
            track_ids=None if self.track_ids is None else self.track_ids[index],
            min_keypoint_score=self.min_keypoint_score,
        )

    def _person(self, i: int) -> Person:
        return Person(
            keypoints=self.keypoints[i],
            scores=self.scores[i],
            box_xyxy=self.boxes_xyxy[i],
            score=float(self.person_scores[i]),
            track_id=None if self.track_ids is None else int(self.track_ids[i]),
            skeleton=self.skeleton,
            min_keypoint_score=self.min_keypoint_score,
        )

    @property
    def visible(self) -> NDArray[np.bool_]:
        """`(P, K)` bool: whether a keypoint's score is at least `min_keypoint_score`."""
        seen: NDArray[np.bool_] = self.scores >= self.min_keypoint_score
        return seen

    def angle(self, a: str, b: str, c: str) -> Float32:
        """Each person's angle at keypoint `b` between the lines to `a` and `c`.

        Returns:
            `(P,)` float32 degrees in `[0, 180]`; NaN where one of the three is not visible.

        Raises:
            UnknownKeypointError: There is none of that name.
        """
        joints = [self.skeleton.index(name) for name in (a, b, c)]
        degrees = measures.angle(*(self.keypoints[:, joint] for joint in joints))
        seen = self.visible[:, joints].all(axis=1)
        found: Float32 = np.where(seen, degrees, np.nan).astype(np.float32)
        return found

    def bone_lengths(self) -> Float32:
        """`(P, B)` float32 pixels, one a bone of the skeleton (`skeleton.bone_names`).

        NaN where an end of the bone is not visible.
        """
        return measures.bone_lengths(self.keypoints, self.visible, self.skeleton.bones)

    def named(self) -> dict[str, NDArray[Any]]:
        """A table with a row a person, as pandas and polars take it: `pandas.DataFrame(...)`.

        Returns:
            Columns of `(P,)`: `person` (counted from 0), `track_id` of tracked people, `score`,
            `box_x1` to `box_y2`, and `nose_x`, `nose_y`, `nose_score` for each keypoint.
        """
        from litepose_edge.results.tables import columns

        return columns(self)

    def to_normalized(self) -> Normalized:
        """`(keypoints, boxes_xyxy)` as parts of the image's width and height."""
        from litepose_edge.results.tables import normalized

        return normalized(self)

    def as_tuple(self) -> tuple[Float32, Float32]:
        """`(keypoints, scores)`, as rtmlib returns them."""
        return self.keypoints, self.scores

    def to_supervision(self) -> Any:
        """The people as `supervision.KeyPoints`, ids and person scores in its `data`.

        Keypoints that are not visible are marked so: annotators leave them out.

        Raises:
            BackendUnavailableError: supervision is not installed.
        """
        from litepose_edge.results.tables import supervision_key_points

        return supervision_key_points(self)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain dicts and lists; finite numbers, 3 decimals."""
        return {
            "schema": JSON_SCHEMA,
            "image": {"width": self.image_size.width, "height": self.image_size.height},
            "keypoint_names": list(self.skeleton.keypoint_names),
            "people": [person_document(person) for person in self],
        }

    def to_json(self) -> str:
        """The people as a JSON document, schema 1."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """Entries of COCO's keypoint results format, one a person.

        Raises:
            ValueError: The id is no whole number of 64 bits.
        """
        number = whole_number("image_id", image_id, -MOST_ID - 1, MOST_ID)
        return [
            coco_entry(number, p.score, keypoints=p.keypoints, scores=p.scores, box_xyxy=p.box_xyxy)
            for p in self
        ]

    def draw(
        self,
        frame: ImageLike,
        *,
        colour: Colour = "bgr",
        skeletons: bool = True,
        boxes: bool = True,
        ids: bool = True,
        labels: bool | Sequence[str] = True,
        scores: bool = False,
        trails: drawing.Trails | None = None,
        thickness: int | None = None,
        radius: int | None = None,
        palette: drawing.Palette | None = None,
        min_score: float | None = None,
    ) -> NDArray[np.uint8]:
        """The frame with the people on it, as a new array; lines and text fit the picture's size.

        Args:
            frame: The image the poses come from, as `Estimator.predict` takes it.
            colour: Order of an array's channels, in which the drawing is then too.
            skeletons: Draw bones and keypoints.
            boxes: Draw boxes.
            ids: Label tracked people with their ids.
            labels: False draws no text. A text for each person stands behind id and score;
                OpenCV 4 has no letters but those of ASCII and draws question marks.
            scores: Label people with their scores.
            trails: Where tracked people were: `Trails`, kept from frame to frame.
            thickness: Of lines, in pixels; 0 draws no bones, boxes and trails.
            radius: Of keypoints, in pixels; 0 draws none.
            palette: `"person"` gives each person a colour, `"side"` the left and right of
                bodies; a list of BGR colours is used in turn. Tracked people are coloured by
                person and others by side unless given.
            min_score: Keypoints below are not drawn; `min_keypoint_score` unless given.

        Raises:
            InvalidImageError: The frame is no image, or not of the poses' size.
            SourceError: A file cannot be read.
            ValueError: An option is out of range, or there are not as many labels as people.
        """
        from litepose_edge import drawing  # for who draws

        least = self.min_keypoint_score if min_score is None else min_score
        style = drawing.Style(
            skeletons=skeletons,
            boxes=boxes,
            ids=ids,
            labels=labels,
            scores=scores,
            thickness=thickness,
            radius=radius,
            palette=palette,
            min_score=real_number("min_score", least, 0, 1),
        )
        # What has been predicted can be drawn, whatever its size; files are decoded as usual.
        most = max(MAX_PIXELS, self.image_size.width * self.image_size.height)
        image = read_input(frame, colour=colour, max_pixels=most)
        drawing.check_size(image, self.image_size)
        drawn = drawing.draw_poses(image, self, style, trails)
        if colour == "rgb" and isinstance(frame, np.ndarray):
            return np.ascontiguousarray(drawn[..., ::-1])
        return drawn

    def _repr_png_(self) -> bytes:
        """The people without their photograph, for notebooks; at most 640 pixels a side."""
        from litepose_edge import drawing

        width, height = self.image_size.width, self.image_size.height
        scale = min(1.0, NOTEBOOK_SIDE / max(width, height))
        small = replace(
            self,
            keypoints=self.keypoints * np.float32(scale),
            boxes_xyxy=self.boxes_xyxy * np.float32(scale),
            image_size=Size(max(round(width * scale), 1), max(round(height * scale), 1)),
        )
        return drawing.png(small.draw(drawing.plain_ground(small.image_size), scores=True))


def _check_choice(index: Any, people: int) -> None:
    """Whether NumPy takes it for a choice of people.

    Raises:
        IndexError: It does not; says what is expected.
    """
    try:
        chosen: NDArray[np.intp] = np.arange(people)[index]
    except (IndexError, TypeError, ValueError) as exc:
        reason = str(exc)
    else:
        if chosen.ndim == 1:
            return
        reason = f"got {index!r:.100}"
    raise IndexError(
        f"expected a number, a slice, a mask or an array of indices of {people} people: {reason}"
    )
