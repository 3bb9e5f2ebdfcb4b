"""What a teacher network sees in the training people: maps, keypoints, and which to trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.backends import files
from litepose_edge.errors import BackendUnavailableError, install_hint
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.skeletons import COCO_17
from litepose_edge.threads import available_threads, worker_pool
from litepose_export.training.data.people import People

INPUT = Size(192, 256)
PADDING = 1.25
STRIDE = 4  # of the teacher's maps
KEPT_STRIDE = 8  # of the maps that are kept: what a student at stride 8 can use
KEPT_SIGMA = 1.03  # spread of their peaks in cells: the teacher's 2 cells, halved
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)

Network = Callable[[Float32], Float32]


@dataclass(frozen=True, slots=True)
class Teaching:
    """A teacher's opinion of every training person.

    Attributes:
        maps: `(N, K, 32, 24)` uint8, heatmaps over the box padded by 1.25, 255 = certain.
        keypoints: `(N, K, 3)` float32 `(x, y, score)` in photograph pixels.
        trusted: `(N, K)` bool: confident, concentrated, and seen alike by the second teacher.
    """

    maps: NDArray[np.uint8]
    keypoints: Float32
    trusted: NDArray[np.bool_]


def open_network(path: Path) -> Network:
    """A teacher with PP-TinyPose's manifest: RGB, ImageNet statistics, 256x192, stride 4.

    It answers several threads at once, each on one CPU.

    Raises:
        BackendUnavailableError: OpenVINO, which reads both IR and ONNX, is not installed.
        ModelError: The file is not there, or no network.
    """
    try:
        from litepose_edge.backends._openvino import OpenVinoSession
    except ImportError as exc:
        raise BackendUnavailableError(
            f"teachers run in OpenVINO, which is not installed. {install_hint('openvino')}"
        ) from exc
    session = OpenVinoSession(files.read(path), threads=1)
    first = session.outputs[0]
    return lambda batch: session.run(batch)[first]


def teach(
    people: People,
    teacher: Network,
    second: Network,
    tick: Callable[[], None],
    threads: int | None = None,
) -> Teaching:
    """Run the teachers over every person in four views (upright, mirrored, turned both ways).

    Args:
        people: Whom to look at.
        teacher: Whose maps and keypoints are kept; its trust needs `second` to see alike.
        second: Looks at the upright view alone.
        tick: Called after each person, on the calling thread.
        threads: People looked at at once, as many as this process has CPUs unless given. The
            result does not depend on it.
    """
    count, keypoints = people.keypoints.shape[:2]
    rows, columns = INPUT.height // KEPT_STRIDE, INPUT.width // KEPT_STRIDE
    maps = np.zeros((count, keypoints, rows, columns), np.uint8)
    points = np.zeros((count, keypoints, 3), np.float32)
    trusted = np.zeros((count, keypoints), np.bool_)

    def look_at(i: int) -> None:
        image = people.images[people.image_index[i]]
        to_input = geometry.crop_affine(people.boxes_xyxy[i], INPUT, PADDING)
        seen = np.mean([_look(image, to_input, view, teacher) for view in views()], axis=0)
        other = _look(image, to_input, views()[0], second)
        halved = seen.clip(0, 1).reshape(keypoints, rows, 2, columns, 2).mean(axis=(2, 4))
        maps[i] = (halved * 255 + 0.5).astype(np.uint8)
        cells, scores, spread = _peaks(seen)
        cells_other, _, _ = _peaks(other)
        map_height = INPUT.height / STRIDE
        alike = np.linalg.norm(cells - cells_other, axis=1) <= 0.10 * map_height / PADDING
        trusted[i] = (scores >= 0.5) & (spread <= 0.05 * map_height) & alike
        in_input = (cells + 0.5) * STRIDE - 0.5
        points[i, :, :2] = geometry.transform(geometry.invert(to_input), in_input)
        points[i, :, 2] = scores

    with worker_pool(threads or available_threads(), "teach") as pool:
        for _ in pool.map(look_at, range(count)):
            tick()
    return Teaching(maps, points, trusted)


def views() -> list[tuple[Float64, bool]]:
    """`(2, 3)` moves of the teacher's input, and whether they mirror; the first moves nothing."""
    centre = (np.array([INPUT.width, INPUT.height], np.float64) - 1) / 2
    views = []
    for degrees, mirrored in ((0, False), (0, True), (20, False), (-20, True)):
        turn = np.deg2rad(degrees)
        linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        if mirrored:
            linear = np.diag([-1.0, 1.0]) @ linear
        views.append((np.column_stack([linear, centre - linear @ centre]), mirrored))
    return views


def _look(
    image: NDArray[np.uint8], to_input: Float64, view: tuple[Float64, bool], network: Network
) -> Float32:
    turn, mirrored = view
    crop = cv2.warpAffine(
        image, geometry.compose(turn, to_input), (INPUT.width, INPUT.height), flags=cv2.INTER_LINEAR
    )
    batch = ((crop[..., ::-1].astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
    maps: Float32 = network(np.ascontiguousarray(batch))[0]
    if mirrored:
        maps = maps[list(COCO_17.flip_permutation)]
    if np.allclose(turn, np.eye(2, 3)):
        return maps
    to_cells = np.array([[1, 0, 0.5 - STRIDE / 2], [0, 1, 0.5 - STRIDE / 2]]) / STRIDE
    back = geometry.compose(to_cells, geometry.compose(turn, geometry.invert(to_cells)))
    height, width = maps.shape[1:]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack([cv2.warpAffine(m, back, (width, height), flags=flags) for m in maps])


def _peaks(maps: Float32) -> tuple[Float64, Float32, Float64]:
    """Centre of mass around each peak (cells), its height, and the spread of the whole map."""
    keypoints, height, width = maps.shape
    flat = maps.reshape(keypoints, -1)
    top = flat.argmax(axis=1)
    scores = flat.max(axis=1)
    rows, columns = np.mgrid[:height, :width]
    y0, x0 = np.divmod(top, width)
    near = (np.abs(rows - y0[:, None, None]) <= 3) & (np.abs(columns - x0[:, None, None]) <= 3)
    mass = np.where(near, np.maximum(maps, 0), 0)
    total = mass.sum(axis=(1, 2)) + 1e-6
    x, y = (mass * columns).sum(axis=(1, 2)) / total, (mass * rows).sum(axis=(1, 2)) / total
    strong = np.where(maps > 0.3 * scores[:, None, None], np.maximum(maps, 0), 0)
    away = (columns - x[:, None, None]) ** 2 + (rows - y[:, None, None]) ** 2
    spread = np.sqrt((strong * away).sum(axis=(1, 2)) / (strong.sum(axis=(1, 2)) + 1e-6))
    return np.stack([x, y], axis=1), scores, spread


def save_teaching(teaching: Teaching, path: Path) -> None:
    """Write a teaching to an uncompressed `.npz`."""
    np.savez(path, maps=teaching.maps, keypoints=teaching.keypoints, trusted=teaching.trusted)


def load_teaching(path: Path) -> Teaching:
    """Read what `save_teaching` wrote."""
    with np.load(path) as stored:
        return Teaching(stored["maps"], stored["keypoints"], stored["trusted"])
