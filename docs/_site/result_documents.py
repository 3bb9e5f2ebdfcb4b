"""The JSON that `Poses.to_json()` and `litepose-edge predict` write, as structs.

The runtime writes plain dicts; a test decodes what it writes with these, strictly.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Score = Annotated[float, Meta(ge=0, le=1)]


class ImageSize(msgspec.Struct, forbid_unknown_fields=True):
    """Size of the image.

    Attributes:
        width: Pixels across.
        height: Pixels down.
    """

    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]


class PersonEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One person; pixels of the image, pixel centres are integers.

    Attributes:
        track_id: The id in a tracked video, otherwise null.
        score: The person confidence.
        box_xyxy: Left, top, right, bottom.
        keypoints: x, y and score of each keypoint, in the order of `keypoint_names`.
    """

    track_id: int | None
    score: Score
    box_xyxy: Annotated[list[float], Meta(min_length=4, max_length=4)]
    keypoints: list[tuple[float, float, Score]]


class PosesDocument(msgspec.Struct, forbid_unknown_fields=True, rename={"schema_": "schema"}):
    """All people of one image."""

    schema_: Annotated[int, Meta(ge=1, le=1)]
    image: ImageSize
    keypoint_names: list[str]
    people: list[PersonEntry]


class ImageLine(PosesDocument, rename={"schema_": "schema"}):
    """A line of `litepose-edge predict --json` for an image."""

    source: str


class FrameLine(PosesDocument, rename={"schema_": "schema"}):
    """A line of `litepose-edge predict --json` for a frame of a video or camera."""

    source: str
    index: Annotated[int, Meta(ge=0)]
    timestamp_s: float
