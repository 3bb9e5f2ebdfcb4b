"""What decides the content of labels, besides the inputs: networks, frames, format."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from litepose_edge.backends import Backend, Precision
from litepose_edge.options import pixel_limit, real_number, whole_number

Format = Literal["parquet", "coco", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[Format, str] = {"parquet": ".parquet", "coco": ".json", "jsonl": ".jsonl"}
MOST_INPUTS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions:
    """How an archive is labelled.

    Attributes:
        model: A bundled pose network or the path of one.
        detector: `"default"` or the path of one.
        detector_size: As `Estimator` takes it.
        backend: `"onnxruntime"` or `"openvino"`.
        precision: As `Estimator` takes it.
        flip_test: As `Estimator` takes it.
        min_score: Every person of a label has at least this confidence.
        max_people: At most so many people a frame.
        max_pixels: Larger frames are a failure.
        format: `"parquet"` (one row a person), `"coco"` or `"jsonl"` (one line a frame).
        every: Of films, take every so many frames only.
        track: Track people through films: their ids, and boxes predicted between detections.
        detect_every: Of tracked films: run the detector on every so many of the frames taken.
        smooth: Of tracked films: smooth the keypoints over time.
        crops: Folder that gets a picture of each person and their labels, for training; None for
            none. With Ray a folder that all nodes share.
        shard_size: About so many images make a shard; a film is one of its own.

    Raises:
        ValueError: An option is out of range.
    """

    model: str = "lrpose-s"
    detector: str = "default"
    detector_size: int | None = None
    backend: Backend = "onnxruntime"
    precision: Precision | None = None
    flip_test: bool | None = None
    min_score: float = 0.3
    max_people: int = 20
    max_pixels: int = 100_000_000
    format: Format = "parquet"
    every: int = 1
    track: bool = False
    detect_every: int = 10
    smooth: bool = True
    crops: str | None = None
    shard_size: int = 64

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        real_number("min_score", self.min_score, 0, 1)
        whole_number("max_people", self.max_people, 1)
        pixel_limit(self.max_pixels)
        whole_number("every", self.every, 1)
        whole_number("detect_every", self.detect_every, 1)
        whole_number("shard_size", self.shard_size, 1, MOST_INPUTS)

    @property
    def suffix(self) -> str:
        """Of the shards' names."""
        return SUFFIXES[self.format]

    def as_dict(self) -> dict[str, Any]:
        """All of them, as JSON takes them."""
        return asdict(self)
