"""One treated frame, and what viewers get of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from litepose_edge.errors import LitePoseError
from litepose_edge.results import Poses
from litepose_edge.results.documents import person_document
from litepose_edge.skeletons import Skeleton, side_of


class EncodingError(LitePoseError, ValueError):
    """A frame cannot be written as JPEG, such as one of more than 65500 pixels a side."""


@dataclass(frozen=True, slots=True, eq=False)
class Treated:
    """A frame, who is in it, and when.

    Attributes:
        image: `(H, W, 3)` uint8 BGR; not to be changed.
        poses: The people, with `track_ids`.
        index: Counts the frames of the service, from 0; dropped frames leave gaps.
        timestamp_s: Seconds since the service began.
        came_s: When the frame came, by the monotonic clock.
        mirror: Whether viewers show it mirrored.
        inference_s: How long its people took.
    """

    image: NDArray[np.uint8]
    poses: Poses
    index: int
    timestamp_s: float
    came_s: float
    mirror: bool = False
    inference_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """What one frame is to viewers, encoded once for all of them.

    Attributes:
        text: JSON of the poses.
        picture: The frame's index in 4 bytes, little-endian, and its JPEG; None where no viewer
            waits for a picture.
        index: The frame's index.
        came_s: When the frame came, by the monotonic clock.
    """

    text: str
    picture: bytes | None
    index: int
    came_s: float


def poses_text(treated: Treated) -> str:
    """The poses of a frame as JSON: finite numbers, 3 decimals."""
    size = treated.poses.image_size
    document: dict[str, Any] = {
        "type": "poses",
        "index": treated.index,
        "timestamp_s": round(treated.timestamp_s, 3),
        "image": {"width": size.width, "height": size.height},
        "mirror": treated.mirror,
        # By a clock that programs of the same machine share, so that delays can be measured.
        "taken_unix_s": round(time.time() - time.monotonic() + treated.came_s, 4),
        "inference_ms": round(1000 * treated.inference_s, 1),
        "people": [person_document(person) for person in treated.poses],
    }
    return msgspec.json.encode(document).decode()


def jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """A frame as JPEG.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        quality: 1 to 100.

    Raises:
        EncodingError: It is too large for the format.
    """
    try:
        done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as exc:
        raise EncodingError(f"cannot encode a frame as JPEG: {exc.err}") from exc
    if not done:
        height, width = image.shape[:2]
        raise EncodingError(f"cannot encode a {width}x{height} frame as JPEG")
    return content.tobytes()


def skeleton_document(skeleton: Skeleton) -> dict[str, Any]:
    """What a viewer needs to draw the people."""
    sides = [side_of(name) for name in skeleton.keypoint_names]
    return {
        "keypoint_names": list(skeleton.keypoint_names),
        "bones": [list(bone) for bone in skeleton.bones],
        "left": [i for i, side in enumerate(sides) if side == "left"],
        "right": [i for i, side in enumerate(sides) if side == "right"],
    }
