"""Runs teacher networks over the training people: distillation targets and which to trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from litepose_edge import geometry
from litepose_edge.backends import files, open_files, sidecar
from litepose_edge.decoding.heatmaps import cells_to_input
from litepose_edge.errors import ManifestError
from litepose_edge.geometry import Float32, Float64, Size
from litepose_edge.manifest import (
    BOX_PADDING,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Alignment,
    HeatmapSpec,
    TopDownSpec,
)
from litepose_edge.manifest.presets import Graph, OutputFormatName, preset
from litepose_edge.skeletons import COCO_17
from litepose_edge.threads import available_threads, worker_pool
from litepose_export.training.core.pose_batch import FLIP_PERMUTATION, TEACHER_MAP_STRIDE
from litepose_export.training.data.distillation_targets import (
    TEACHER_INPUT,
    DistillationTargets,
    to_teacher_input,
)
from litepose_export.training.data.people import People

TEACHER_STRIDE = 4  # of its maps; those kept are halved, to what a student at stride 8 can use
MEAN, STD = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)

TeacherNetwork = Callable[[Float32], Float32]


@dataclass(frozen=True, slots=True)
class Teacher:
    """A teacher network, and where the cells of its maps lie in its input.

    Attributes:
        network: `(N, 3, 256, 192)` crops to `(N, K, 64, 48)` maps.
        alignment: As its manifest says (`litepose_edge.decoding.heatmaps.cells_to_input`).
    """

    network: TeacherNetwork
    alignment: Alignment


def open_teacher(path: Path) -> Teacher:
    """A teacher with PP-TinyPose's input: RGB, ImageNet statistics, 256x192, stride 4.

    It answers several threads at once, each on one CPU.

    Raises:
        BackendUnavailableError: OpenVINO, which reads both IR and ONNX, is not installed.
        ManifestError: The sidecar beside it describes no heatmap network.
        ModelError: The file is not there, or no network.
        ModelIntegrityError: The sidecar describes other bytes.
    """
    alignment = teacher_alignment(path)
    opened = open_files(files.read(path), "openvino", threads=1)
    first = opened.outputs[0]
    return Teacher(lambda batch: opened.session.run(batch)[first], alignment)


def teacher_alignment(path: Path) -> Alignment:
    """Where the cells of a teacher's maps lie.

    As the sidecar beside it says (`litepose-edge adopt`), or as heatmap networks are published.

    Raises:
        ManifestError: The sidecar describes no heatmap network.
        ModelError: There is a sidecar, but no network.
        ModelIntegrityError: The sidecar describes other bytes.
    """
    if sidecar.path_of(path).exists():
        manifest = sidecar.read(files.read(path))
    else:
        graph = Graph(path.stem, TEACHER_INPUT, False, False, ("heatmaps",), COCO_17)
        manifest = preset(OutputFormatName.HEATMAP, graph)
    match manifest.model:
        case TopDownSpec(head=HeatmapSpec(alignment=alignment)):
            return alignment
    raise ManifestError(f"{path} is not a heatmap network: it cannot be a teacher")


def distill(
    people: People,
    teacher: Teacher,
    second: Teacher,
    progress: Callable[[], None],
    threads: int | None = None,
) -> DistillationTargets:
    """Run the teachers over every person in four views (upright, mirrored, turned both ways).

    Args:
        people: Whom to run them on.
        teacher: Whose maps and keypoints are kept.
        second: Run on the upright view alone; keypoints are trusted where it places them alike.
        progress: Called after each person, on the calling thread.
        threads: People processed at once, as many as this process has CPUs unless given. The
            result does not depend on it.
    """
    count, keypoints = people.keypoints.shape[:2]
    rows, columns = (n // TEACHER_MAP_STRIDE for n in (TEACHER_INPUT.height, TEACHER_INPUT.width))
    maps = np.zeros((count, keypoints, rows, columns), np.uint8)
    points = np.zeros((count, keypoints, 3), np.float32)
    trusted = np.zeros((count, keypoints), np.bool_)

    def distill_person(i: int) -> None:
        image = people.images[people.image_index[i]]
        to_input = to_teacher_input(people.boxes_xyxy[i])
        views = teacher_views()
        mean = np.mean([_upright_maps(image, to_input, view, teacher) for view in views], axis=0)
        other = _upright_maps(image, to_input, views[0], second)
        halved = mean.clip(0, 1).reshape(keypoints, rows, 2, columns, 2).mean(axis=(2, 4))
        maps[i] = (halved * 255 + 0.5).astype(np.uint8)
        cells, scores, spread = _peaks(mean)
        cells_other, _, _ = _peaks(other)
        map_height = TEACHER_INPUT.height / TEACHER_STRIDE
        alike = np.linalg.norm(cells - cells_other, axis=1) <= 0.10 * map_height / BOX_PADDING
        trusted[i] = (scores >= 0.5) & (spread <= 0.05 * map_height) & alike
        in_input = geometry.transform(geometry.invert(input_to_cells("centre")), cells)
        points[i, :, :2] = geometry.transform(geometry.invert(to_input), in_input)
        points[i, :, 2] = scores

    with worker_pool(threads or available_threads(), "distill") as pool:
        for _ in pool.map(distill_person, range(count)):
            progress()
    return DistillationTargets(maps, points, trusted)


def teacher_views() -> list[tuple[Float64, bool]]:
    """`(2, 3)` moves of the teacher's input, and whether they mirror; the first moves nothing."""
    centre = (np.array([TEACHER_INPUT.width, TEACHER_INPUT.height], np.float64) - 1) / 2
    views = []
    for degrees, mirrored in ((0, False), (0, True), (20, False), (-20, True)):
        turn = np.deg2rad(degrees)
        linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        if mirrored:
            linear = np.diag([-1.0, 1.0]) @ linear
        views.append((np.column_stack([linear, centre - linear @ centre]), mirrored))
    return views


def input_to_cells(alignment: Alignment) -> Float64:
    """`(2, 3)`, pixels of the teacher's input to cells of maps with that alignment."""
    map_size = Size(TEACHER_INPUT.width // TEACHER_STRIDE, TEACHER_INPUT.height // TEACHER_STRIDE)
    first_cells = np.array([[0, 0], [1, 1]], np.float32)
    first, second = cells_to_input(first_cells, map_size, TEACHER_INPUT, alignment).astype(float)
    return geometry.invert(np.column_stack([np.diag(second - first), first]))


def upright_to_view_cells(turn: Float64, alignment: Alignment) -> Float64:
    """`(2, 3)`, cells that tile the upright input to cells of a teacher's maps of a view.

    Args:
        turn: `(2, 3)`, pixels of the upright input to those of the view.
        alignment: Of the teacher's maps.
    """
    to_view = geometry.compose(turn, geometry.invert(input_to_cells("centre")))
    return geometry.compose(input_to_cells(alignment), to_view)


def _upright_maps(
    image: NDArray[np.uint8], to_input: Float64, view: tuple[Float64, bool], teacher: Teacher
) -> Float32:
    """`(K, 64, 48)`, the maps of one view as they would be upright, in cells that tile it."""
    turn, mirrored = view
    size = (TEACHER_INPUT.width, TEACHER_INPUT.height)
    crop = cv2.warpAffine(image, geometry.compose(turn, to_input), size, flags=cv2.INTER_LINEAR)
    batch = ((crop[..., ::-1].astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
    maps: Float32 = teacher.network(np.ascontiguousarray(batch))[0]
    if mirrored:
        maps = maps[FLIP_PERMUTATION]
    back = upright_to_view_cells(turn, teacher.alignment)
    if np.allclose(back, np.eye(2, 3)):
        return maps
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
