"""Training people as packed crops: small files that travel to the machine that trains.

A shard is one uncompressed NumPy archive: JPEG crops around people, their labels in the crops'
pixels, and their distillation targets if there are any. A training run from shards reads no
photograph and needs no teacher.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.atomic_files import make_folder, replacing
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.skeletons import COCO_17, Skeleton
from litepose_export.errors import ExportError
from litepose_export.training.data.array_file import read_arrays
from litepose_export.training.data.distillation_targets import DistillationTargets
from litepose_export.training.data.people import People

FORMAT = 2
GROWTH = 1.6  # of the box in the inputs' shape: what augmentation may ask for
ASPECT = 0.75  # width to height of the inputs
LONGEST_PX = 320
QUALITY = 92
MAX_SHARD_BYTES = 60 * 2**20
# Every shard holds them.
ARRAYS = ("jpeg", "jpeg_ends", "boxes", "keypoints", "source", "image_boxes", "image_box_counts")


Shard = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class PackedPeople:
    """What shards hold together."""

    people: People
    targets: DistillationTargets | None


@dataclass(frozen=True, slots=True)
class _PackedCrop:
    """One person, ready to be written; `maps` are compressed, almost all of them is empty."""

    jpeg: bytes
    box_xyxy: Float32
    keypoints: Float32
    image_boxes_xyxy: Float32
    pseudo_xy: Float32
    maps: bytes


def pack(
    people: People,
    targets: DistillationTargets | None,
    folder: Path,
    *,
    max_bytes: int = MAX_SHARD_BYTES,
    progress: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Write people to `crops-000.npz`, `crops-001.npz`, ...; every shard is a fair sample.

    Shards behind the last one, which an earlier packing of more people left, are deleted.

    Args:
        people: Who.
        targets: A teacher's maps and pseudo-labels of them, or None.
        folder: Made if it is not there.
        max_bytes: No shard is larger.
        progress: Called after each person.

    Raises:
        ExportError: A single person is larger than a shard may be.
    """
    make_folder(folder)
    paths: list[Path] = []
    crops: list[_PackedCrop] = []
    members: list[int] = []
    size = 0
    per_person = _fixed_bytes(people, targets)
    # Shuffled, so that a run on some of the shards sees all kinds of people.
    for person in np.random.default_rng(0).permutation(len(people)).tolist():
        crop = _cut(people, targets, person)
        needed = len(crop.jpeg) + len(crop.maps) + crop.image_boxes_xyxy.nbytes + per_person
        if needed + _OVERHEAD > max_bytes:
            raise ExportError(f"a person needs {needed} bytes, a shard may have {max_bytes}")
        if size + needed + _OVERHEAD > max_bytes:
            paths.append(_write(folder, len(paths), crops, members, people, targets))
            crops, members, size = [], [], 0
        crops.append(crop)
        members.append(person)
        size += needed
        progress()
    paths.append(_write(folder, len(paths), crops, members, people, targets))
    for other in folder.glob("crops-*.npz"):
        number = other.stem.removeprefix("crops-")
        if number.isdecimal() and int(number) >= len(paths):
            other.unlink()
    return paths


def load_packs(paths: Sequence[Path]) -> PackedPeople:
    """Read shards back.

    Raises:
        ExportError: Not a shard of this version, only some have a teacher, or they hold different
            keypoints.
    """
    shards = [_read(path) for path in paths]
    distilled = ["maps" in shard for shard in shards]
    if any(distilled) != all(distilled):
        raise ExportError("some shards have a teacher's maps and some do not")
    skeletons = [_skeleton(shard) for shard in shards]
    if any(skeleton.keypoint_names != skeletons[0].keypoint_names for skeleton in skeletons):
        raise ExportError("the shards hold different keypoints: give shards of one keypoint set")
    people = People(
        images=tuple(image for shard in shards for image in _images(shard)),
        image_index=np.arange(sum(len(shard["boxes"]) for shard in shards)),
        boxes_xyxy=_joined(shards, "boxes"),
        keypoints=_joined(shards, "keypoints"),
        source=_joined(shards, "source"),
        image_boxes_xyxy=tuple(
            boxes
            for shard in shards
            for boxes in np.split(shard["image_boxes"], np.cumsum(shard["image_box_counts"])[:-1])
        ),
        skeleton=skeletons[0],
    )
    targets = None
    if all(distilled):
        maps = np.concatenate([_maps(shard) for shard in shards])
        targets = DistillationTargets(
            maps, _joined(shards, "pseudo_keypoints"), _joined(shards, "trusted")
        )
    return PackedPeople(people, targets)


_OVERHEAD = 8192  # of the archive and its headers


def _fixed_bytes(people: People, targets: DistillationTargets | None) -> int:
    """Bytes a person takes besides pixels and neighbours."""
    arrays: list[NDArray[Any]] = [people.boxes_xyxy, people.keypoints, people.source]
    if targets is not None:
        arrays += [targets.keypoints, targets.trusted]
    # Offsets of pixels and maps, and the number of neighbours.
    return sum(a.nbytes for a in arrays) // len(people) + 24


def _cut(people: People, targets: DistillationTargets | None, person: int) -> _PackedCrop:
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
    pseudo, maps = np.zeros((len(keypoints), 2), np.float32), b""
    if targets is not None:
        maps = zlib.compress(targets.maps[person].tobytes(), 6)
        pseudo = geometry.transform(to_crop, targets.keypoints[person, :, :2]).astype(np.float32)
    return _PackedCrop(
        jpeg=jpeg.tobytes(),
        box_xyxy=_move(to_crop, box[None])[0],
        keypoints=keypoints,
        image_boxes_xyxy=_move(to_crop, people.image_boxes_xyxy[number]),
        pseudo_xy=pseudo,
        maps=maps,
    )


def _move(to_crop: Float64, boxes_xyxy: NDArray[np.floating]) -> Float32:
    corners = geometry.transform(to_crop, boxes_xyxy.reshape(-1, 2, 2).astype(np.float64))
    moved: Float32 = corners.reshape(-1, 4).astype(np.float32)
    return moved


def _write(
    folder: Path,
    number: int,
    crops: Sequence[_PackedCrop],
    members: Sequence[int],
    people: People,
    targets: DistillationTargets | None,
) -> Path:
    chosen = np.array(members, np.int64)
    image_boxes = [c.image_boxes_xyxy for c in crops] or [np.zeros((0, 4), np.float32)]
    content: Shard = {
        "format": np.array(FORMAT),
        **_blobs("jpeg", [c.jpeg for c in crops]),
        "boxes": np.array([c.box_xyxy for c in crops], np.float32).reshape(-1, 4),
        "keypoints": np.array([c.keypoints for c in crops], np.float32),
        "source": people.source[chosen],
        "skeleton": np.frombuffer(msgspec.json.encode(people.skeleton), np.uint8),
        "image_boxes": np.concatenate(image_boxes),
        "image_box_counts": np.array([len(c.image_boxes_xyxy) for c in crops], np.int64),
    }
    if targets is not None:
        scores = targets.keypoints[chosen, :, 2:]
        content |= _blobs("maps", [c.maps for c in crops])
        content["map_shape"] = np.array(targets.maps.shape[1:])
        pseudo = np.array([c.pseudo_xy for c in crops])
        content["pseudo_keypoints"] = np.concatenate([pseudo, scores], axis=2)
        content["trusted"] = targets.trusted[chosen]
    path = folder / f"crops-{number:03d}.npz"
    # A folder that has vanished held the shards until then: an error, not a new folder.
    with replacing(path, make_folder=False) as partial:
        np.savez(partial, allow_pickle=False, **content)
    return path


def _read(path: Path) -> Shard:
    shard = read_arrays(path, (), "copy it again, or make it again with pack")
    if "format" not in shard or shard["format"].ndim or shard["format"] != FORMAT:
        raise ExportError(f"{path} is no shard of packed crops of format {FORMAT}")
    missing = [name for name in ARRAYS if name not in shard]
    if missing:
        raise ExportError(f"{path} holds no {', '.join(missing)}: make it again with pack")
    return shard


def _skeleton(shard: Shard) -> Skeleton:
    """The keypoint set; shards of earlier versions are of COCO's 17."""
    if "skeleton" not in shard:
        return COCO_17
    try:
        return msgspec.json.decode(shard["skeleton"].tobytes(), type=Skeleton)
    except msgspec.DecodeError as exc:
        raise ExportError(f"a shard holds a damaged keypoint set: {exc}") from exc


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
