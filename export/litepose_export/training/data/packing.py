"""Training people as packed crops: small files that travel to the machine that trains.

A shard is one uncompressed NumPy archive: JPEG crops around people, their labels in the crops'
pixels, and what the teachers said of them. A training run from shards reads no photograph and
needs no teacher.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.geometry import Float32, Float64, Size
from litepose_export.errors import ExportError
from litepose_export.training.data.people import People
from litepose_export.training.distillation.teacher import Teaching

FORMAT = 1
GROWTH = 1.6  # of the box in the inputs' shape: what augmentation may ask for
ASPECT = 0.75  # width to height of the inputs
LONGEST_PX = 320
QUALITY = 92
MAX_SHARD_BYTES = 60 * 2**20


Shard = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Packed:
    """What shards hold together."""

    people: People
    teaching: Teaching | None


@dataclass(frozen=True, slots=True)
class _Crop:
    """One person, ready to be written; `maps` are compressed, almost all of them is empty."""

    jpeg: bytes
    box_xyxy: Float32
    keypoints: Float32
    everybody: Float32
    taught_xy: Float32
    maps: bytes


def pack(
    people: People,
    teaching: Teaching | None,
    folder: Path,
    *,
    max_bytes: int = MAX_SHARD_BYTES,
    tick: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Write people to `crops-000.npz`, `crops-001.npz`, ...; every shard is a fair sample.

    Args:
        people: Who.
        teaching: What the teachers said of them, or None.
        folder: Made if it is not there.
        max_bytes: No shard is larger.
        tick: Called for each person.

    Raises:
        ExportError: A single person is larger than a shard may be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    crops: list[_Crop] = []
    members: list[int] = []
    size = 0
    per_person = _fixed_bytes(people, teaching)
    # Shuffled, so that a run on some of the shards sees all kinds of people.
    for person in np.random.default_rng(0).permutation(len(people)).tolist():
        crop = _cut(people, teaching, person)
        needed = len(crop.jpeg) + len(crop.maps) + crop.everybody.nbytes + per_person
        if needed + _OVERHEAD > max_bytes:
            raise ExportError(f"a person needs {needed} bytes, a shard may have {max_bytes}")
        if size + needed + _OVERHEAD > max_bytes:
            paths.append(_write(folder, len(paths), crops, members, people, teaching))
            crops, members, size = [], [], 0
        crops.append(crop)
        members.append(person)
        size += needed
        tick()
    paths.append(_write(folder, len(paths), crops, members, people, teaching))
    return paths


def load_packs(paths: Sequence[Path]) -> Packed:
    """Read shards back.

    Raises:
        ExportError: Not a shard of this version, or only some have a teacher.
    """
    shards = [_read(path) for path in paths]
    taught = ["maps" in shard for shard in shards]
    if any(taught) != all(taught):
        raise ExportError("some shards have a teacher's maps and some do not")
    people = People(
        images=tuple(image for shard in shards for image in _images(shard)),
        image_index=np.arange(sum(len(shard["boxes"]) for shard in shards)),
        boxes_xyxy=_joined(shards, "boxes"),
        keypoints=_joined(shards, "keypoints"),
        source=_joined(shards, "source"),
        everybody=tuple(
            boxes
            for shard in shards
            for boxes in np.split(shard["everybody"], np.cumsum(shard["everybody_counts"])[:-1])
        ),
    )
    teaching = None
    if all(taught):
        maps = np.concatenate([_maps(shard) for shard in shards])
        teaching = Teaching(maps, _joined(shards, "taught"), _joined(shards, "trusted"))
    return Packed(people, teaching)


_OVERHEAD = 8192  # of the archive and its headers


def _fixed_bytes(people: People, teaching: Teaching | None) -> int:
    """Bytes a person takes besides pixels and neighbours."""
    arrays: list[NDArray[Any]] = [people.boxes_xyxy, people.keypoints, people.source]
    if teaching is not None:
        arrays += [teaching.keypoints, teaching.trusted]
    # Offsets of pixels and maps, and the number of neighbours.
    return sum(a.nbytes for a in arrays) // len(people) + 24


def _cut(people: People, teaching: Teaching | None, person: int) -> _Crop:
    """A square-pixelled cut around the person, labels moved along."""
    number = people.image_index[person]
    image = people.images[number]
    box = people.boxes_xyxy[person].astype(np.float64)
    centre, (width, height) = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    # Input shapes are upright: a narrow box shows what is left and right of it.
    width, height = max(width, height * ASPECT), max(height, width / ASPECT)
    half = np.array([width, height]) * GROWTH / 2
    extent = np.array(image.shape[1::-1], np.float64)
    low = np.clip(np.floor(centre - half), 0, extent - 1)
    high = np.clip(np.ceil(centre + half), low + 1, extent)
    x1, y1, x2, y2 = (int(v) for v in (*low, *high))
    pixels = image[y1:y2, x1:x2]
    scale = min(1.0, LONGEST_PX / max(pixels.shape[:2]))
    size = Size(max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    if scale < 1:
        small = (size.width, size.height)
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA).astype(np.uint8)
    done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ExportError("OpenCV cannot write JPEG")
    # Pixel centres are integers: the first pixel's edge lies half a pixel before its centre.
    sx, sy = size.width / (x2 - x1), size.height / (y2 - y1)
    to_crop: Float64 = np.array(
        [[sx, 0, (0.5 - x1) * sx - 0.5], [0, sy, (0.5 - y1) * sy - 0.5]], np.float64
    )
    keypoints = people.keypoints[person].copy()
    keypoints[:, :2] = geometry.transform(to_crop, keypoints[:, :2])
    keypoints[keypoints[:, 2] == 0] = 0
    taught, maps = np.zeros((len(keypoints), 2), np.float32), b""
    if teaching is not None:
        maps = zlib.compress(teaching.maps[person].tobytes(), 6)
        taught = geometry.transform(to_crop, teaching.keypoints[person, :, :2]).astype(np.float32)
    return _Crop(
        jpeg=jpeg.tobytes(),
        box_xyxy=_move(to_crop, box[None])[0],
        keypoints=keypoints,
        everybody=_move(to_crop, people.everybody[number]),
        taught_xy=taught,
        maps=maps,
    )


def _move(to_crop: Float64, boxes_xyxy: NDArray[np.floating]) -> Float32:
    corners = geometry.transform(to_crop, boxes_xyxy.reshape(-1, 2, 2).astype(np.float64))
    moved: Float32 = corners.reshape(-1, 4).astype(np.float32)
    return moved


def _write(
    folder: Path,
    number: int,
    crops: Sequence[_Crop],
    members: Sequence[int],
    people: People,
    teaching: Teaching | None,
) -> Path:
    chosen = np.array(members, np.int64)
    everybody = [c.everybody for c in crops] or [np.zeros((0, 4), np.float32)]
    content: Shard = {
        "format": np.array(FORMAT),
        **_blobs("jpeg", [c.jpeg for c in crops]),
        "boxes": np.array([c.box_xyxy for c in crops], np.float32).reshape(-1, 4),
        "keypoints": np.array([c.keypoints for c in crops], np.float32),
        "source": people.source[chosen],
        "everybody": np.concatenate(everybody),
        "everybody_counts": np.array([len(c.everybody) for c in crops], np.int64),
    }
    if teaching is not None:
        scores = teaching.keypoints[chosen, :, 2:]
        content |= _blobs("maps", [c.maps for c in crops])
        content["map_shape"] = np.array(teaching.maps.shape[1:])
        content["taught"] = np.concatenate([np.array([c.taught_xy for c in crops]), scores], axis=2)
        content["trusted"] = teaching.trusted[chosen]
    path = folder / f"crops-{number:03d}.npz"
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **content)
    return path


def _read(path: Path) -> Shard:
    try:
        with np.load(path, allow_pickle=False) as stored:
            shard = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as exc:
        raise ExportError(f"cannot read {path}: {exc}") from exc
    if "format" not in shard or int(shard["format"]) != FORMAT:
        raise ExportError(f"{path} is no shard of packed crops of format {FORMAT}")
    return shard


def _blobs(name: str, blobs: Sequence[bytes]) -> Shard:
    """Byte strings one behind the other, and where each ends."""
    ends = np.cumsum([len(blob) for blob in blobs]).astype(np.int64)
    return {name: np.frombuffer(b"".join(blobs), np.uint8), f"{name}_ends": ends}


def _unblobbed(shard: Shard, name: str) -> Iterator[NDArray[np.uint8]]:
    yield from np.split(shard[name], shard[f"{name}_ends"][:-1])


def _images(shard: Shard) -> Iterator[NDArray[np.uint8]]:
    for jpeg in _unblobbed(shard, "jpeg"):
        image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        if image is None:
            raise ExportError("a shard holds a damaged crop")
        yield image.astype(np.uint8, copy=False)


def _maps(shard: Shard) -> NDArray[np.uint8]:
    raw = b"".join(zlib.decompress(maps.tobytes()) for maps in _unblobbed(shard, "maps"))
    return np.frombuffer(raw, np.uint8).reshape(-1, *shard["map_shape"].tolist())


def _joined(shards: Sequence[Shard], name: str) -> NDArray[Any]:
    return np.concatenate([shard[name] for shard in shards])
