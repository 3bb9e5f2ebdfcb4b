"""People of many frames as the bytes of one shard: parquet, COCO labels or JSON lines.

The bytes depend on the people alone: no times, no names of machines, a fixed order.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np

from litepose_edge.errors import BackendUnavailableError, install_hint
from litepose_edge.results import Poses
from litepose_edge.scale.options import Format

METADATA_KEY = "litepose_edge"
SCHEMA = 1
# What a film's rows may take in memory before they are compressed; 30 MB with 17 keypoints.
ROWS_A_GROUP = 65_536
# Whole numbers that every reader of JSON keeps.
ID_BITS = 53


@dataclass(frozen=True, slots=True)
class Labelled:
    """One frame and its people.

    Attributes:
        source: The input as it was named, without a password.
        frame: The frame's number in a film, 0 of an image.
        time_s: Its time in a film, 0 of an image.
        film: Whether it is a film's.
        poses: Who is in it.
    """

    source: str
    frame: int
    time_s: float
    film: bool
    poses: Poses


class Shard(Protocol):
    """Collects frames; the bytes at the end."""

    def add(self, labelled: Labelled) -> None:
        """One more frame."""

    def finish(self) -> bytes:
        """The whole file."""


def open_shard(kind: Format, name: str, keypoint_names: tuple[str, ...], model: str) -> Shard:
    """An empty shard.

    Args:
        kind: Of the file.
        name: The unit's, from which COCO's ids are made.
        keypoint_names: Of the model.
        model: Its name.

    Raises:
        BackendUnavailableError: pyarrow is not installed, and the shard is parquet.
    """
    match kind:
        case "parquet":
            return _ParquetShard(keypoint_names, model)
        case "coco":
            return CocoLabels(name, keypoint_names)
        case "jsonl":
            return _JsonLines()


def arrow() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`.

    Raises:
        BackendUnavailableError: They are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise BackendUnavailableError(
            f"labels are written with pyarrow, which is not installed. {install_hint('label')}"
        ) from exc
    return pyarrow, pyarrow.parquet


def parquet_writer(sink: Any, schema: Any) -> Any:
    """A writer whose bytes depend on the rows and pyarrow's release alone."""
    _, parquet = arrow()
    return parquet.ParquetWriter(sink, schema, version="2.6", compression="zstd")


class _ParquetShard:
    """One row a person."""

    def __init__(self, keypoint_names: tuple[str, ...], model: str) -> None:
        pa, _ = arrow()
        count = len(keypoint_names)
        about = {"schema": SCHEMA, "model": model, "keypoint_names": list(keypoint_names)}
        point = pa.list_(pa.float32(), 2)
        self._schema = pa.schema(
            [
                ("source", pa.string()),
                ("frame", pa.int32()),
                ("time_s", pa.float64()),
                ("id", pa.int64()),
                ("score", pa.float32()),
                ("box_xyxy", pa.list_(pa.float32(), 4)),
                ("keypoints", pa.list_(point, count)),
                ("scores", pa.list_(pa.float32(), count)),
                ("image_width", pa.int32()),
                ("image_height", pa.int32()),
            ],
            {METADATA_KEY: json.dumps(about)},
        )
        self._sink = io.BytesIO()
        self._writer = parquet_writer(self._sink, self._schema)
        self._waiting: list[Labelled] = []
        self._rows = 0

    def add(self, labelled: Labelled) -> None:
        if len(labelled.poses):
            self._waiting.append(labelled)
            self._rows += len(labelled.poses)
        if self._rows >= ROWS_A_GROUP:
            self._flush()

    def finish(self) -> bytes:
        self._flush()
        self._writer.close()
        return self._sink.getvalue()

    def _flush(self) -> None:
        if not self._rows:
            return
        pa, _ = arrow()
        frames, lengths = self._waiting, [len(one.poses) for one in self._waiting]

        def repeated(values: list[Any], kind: Any) -> Any:
            return pa.array(np.repeat(np.array(values), lengths), kind)

        def fixed(name: str, width: int) -> Any:
            joined = np.concatenate([getattr(one.poses, name) for one in frames])
            flat = pa.array(np.ascontiguousarray(joined, np.float32).ravel())
            if joined.ndim == 3:
                flat = pa.FixedSizeListArray.from_arrays(flat, 2)
            return pa.FixedSizeListArray.from_arrays(flat, width)

        ids: list[int | None] = []
        for one in frames:
            known = one.poses.track_ids
            ids += [None] * len(one.poses) if known is None else known.tolist()
        keypoints = frames[0].poses.keypoints.shape[1]
        columns = [
            pa.array([one.source for one in frames for _ in range(len(one.poses))], pa.string()),
            repeated([one.frame for one in frames], pa.int32()),
            repeated([one.time_s for one in frames], pa.float64()),
            pa.array(ids, pa.int64()),
            pa.array(np.concatenate([one.poses.person_scores for one in frames]), pa.float32()),
            fixed("boxes_xyxy", 4),
            fixed("keypoints", keypoints),
            fixed("scores", keypoints),
            repeated([one.poses.image_size.width for one in frames], pa.int32()),
            repeated([one.poses.image_size.height for one in frames], pa.int32()),
        ]
        self._writer.write_table(pa.table(columns, schema=self._schema), row_group_size=self._rows)
        self._waiting, self._rows = [], 0


class _JsonLines:
    """One line a frame, as `litepose-edge predict --json` prints it."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, labelled: Labelled) -> None:
        document: dict[str, Any] = {"source": labelled.source}
        if labelled.film:
            document |= {"index": labelled.frame, "timestamp_s": round(labelled.time_s, 6)}
        document |= labelled.poses.to_dict()
        self._lines.append(json.dumps(document, allow_nan=False) + "\n")

    def finish(self) -> bytes:
        return "".join(self._lines).encode()


class CocoLabels:
    """A COCO keypoint file: images, and people as labels; a keypoint that is not visible is 0.

    Args:
        name: Ids are digests of it and of a count, so that files of one run can be joined.
        keypoint_names: Of the model.
    """

    def __init__(self, name: str, keypoint_names: tuple[str, ...]) -> None:
        self._name, self._count, self._keypoint_names = name, 0, keypoint_names
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, labelled: Labelled) -> None:
        """A frame of the archive."""
        extra: dict[str, Any] = {}
        if labelled.film:
            extra = {"frame": labelled.frame, "time_s": round(labelled.time_s, 6)}
        self.add_image(labelled.source, labelled.poses, extra)

    def add_image(self, file_name: str, poses: Poses, extra: dict[str, Any]) -> None:
        """An image of any name, and what else its entry holds."""
        image = self._next_id()
        self.images.append(
            {
                "id": image,
                "file_name": file_name,
                "width": poses.image_size.width,
                "height": poses.image_size.height,
                **extra,
            }
        )
        for person in poses:
            seen = person.scores >= poses.min_keypoint_score
            points = np.column_stack([person.keypoints, np.full(len(seen), 2)]) * seen[:, None]
            x1, y1, x2, y2 = person.box_xyxy.astype(np.float64).round(3).tolist()
            width, height = round(x2 - x1, 3), round(y2 - y1, 3)
            entry: dict[str, Any] = {
                "id": self._next_id(),
                "image_id": image,
                "category_id": 1,
                "bbox": [x1, y1, width, height],
                "area": round(width * height, 3),
                "iscrowd": 0,
                "keypoints": points.astype(np.float64).round(3).ravel().tolist(),
                "num_keypoints": int(seen.sum()),
                "keypoint_scores": person.scores.astype(np.float64).round(3).tolist(),
                "score": round(person.score, 3),
            }
            if person.track_id is not None:
                entry["track_id"] = person.track_id
            self.annotations.append(entry)

    def finish(self) -> bytes:
        """The whole file."""
        document = {
            "images": self.images,
            "annotations": self.annotations,
            "categories": [category(self._keypoint_names)],
        }
        return json.dumps(document, allow_nan=False).encode()

    def _next_id(self) -> int:
        self._count += 1
        digest = blake2b(f"{self._name} {self._count}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> (64 - ID_BITS)


def category(keypoint_names: tuple[str, ...]) -> dict[str, Any]:
    """COCO's category of people with these keypoints."""
    return {"id": 1, "name": "person", "keypoints": list(keypoint_names)}
