"""A teacher's maps land on the same pixel of the student's grid, wherever their cells lie."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402
from torch import nn  # noqa: E402

from litepose_edge import geometry  # noqa: E402
from litepose_edge.backends import files, sidecar  # noqa: E402
from litepose_edge.decoding.heatmaps import cells_to_input  # noqa: E402
from litepose_edge.errors import ManifestError  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.manifest import manifest_to_builtins, parse_manifest  # noqa: E402
from litepose_edge.manifest.presets import Graph, OutputFormatName, preset  # noqa: E402
from litepose_edge.skeletons import COCO_17  # noqa: E402
from litepose_export.training.accelerator.photograph_store import PhotographStore  # noqa: E402
from litepose_export.training.accelerator.teacher_maps import TeacherMaps  # noqa: E402
from litepose_export.training.core.pose_loss import make_targets  # noqa: E402
from litepose_export.training.core.target_options import TargetOptions  # noqa: E402
from litepose_export.training.data.augmentation import Augmentation  # noqa: E402
from litepose_export.training.data.crop_sampler import CropSampler  # noqa: E402
from litepose_export.training.data.distillation_targets import (  # noqa: E402
    TEACHER_INPUT,
    load_distillation_targets,
    save_distillation_targets,
)
from litepose_export.training.data.people import People  # noqa: E402
from litepose_export.training.distillation import teacher  # noqa: E402

STRIDE = 8
MAP_SIZE = Size(
    TEACHER_INPUT.width // teacher.TEACHER_STRIDE, TEACHER_INPUT.height // teacher.TEACHER_STRIDE
)
SPOT_XY = np.array([101.3, 118.6])
TURNED = Augmentation(
    rotate=1, half_body=0, cutout=0, blur=0, colour=0, background=0, shift=0.04, scale=(1, 1)
)
ALIGNMENTS = ["corner", "centre", "udp"]


@pytest.fixture
def person():
    """A person of 200 x 280 pixels whose joints all are in the middle of a bright Gaussian."""
    y, x = np.mgrid[:320, :240]
    spot = np.exp(-((x - SPOT_XY[0]) ** 2 + (y - SPOT_XY[1]) ** 2) / (2 * 8.0**2))
    keypoints = np.full((1, 17, 3), 2, np.float32)
    keypoints[..., :2] = SPOT_XY
    box = np.array([[20, 20, 220, 300]], np.float32)
    return People(
        images=(np.repeat((spot[..., None] * 255).round(), 3, axis=2).astype(np.uint8),),
        image_index=np.zeros(1, np.int64),
        boxes_xyxy=box,
        keypoints=keypoints,
        source=np.zeros(1, np.int64),
        image_boxes_xyxy=(box,),
    )


def brightness(alignment):
    """A network whose maps are its input's brightness where the cells lie."""
    cells = np.stack(np.meshgrid(range(MAP_SIZE.width), range(MAP_SIZE.height)), axis=-1)
    places = cells_to_input(cells.astype(np.float32), MAP_SIZE, TEACHER_INPUT, alignment)
    x, y = (np.ascontiguousarray(places[..., axis]) for axis in (0, 1))

    def run(batch):
        grey = (batch.transpose(0, 2, 3, 1) * teacher.STD + teacher.MEAN)[..., 1] / 255
        maps = [cv2.remap(g.astype(np.float32), x, y, cv2.INTER_LINEAR) for g in grey]
        return np.repeat(np.stack(maps)[:, None], 17, axis=1)

    return run


def centres(maps):
    """`(N, K, 2)` centres of mass in cells."""
    heat = np.asarray(maps, np.float64)
    heat = np.where(heat > 0.02 * heat.max(), heat, 0)
    y, x = np.mgrid[: heat.shape[2], : heat.shape[3]]
    mass = heat.sum(axis=(2, 3))
    return np.stack([(heat * x).sum(axis=(2, 3)) / mass, (heat * y).sum(axis=(2, 3)) / mass], -1)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("view", range(4), ids=["upright", "mirrored", "20", "-20 mirrored"])
def test_every_view_lands_on_the_students_pixel(person, monkeypatch, alignment, view):
    chosen = [teacher.teacher_views()[view]]
    monkeypatch.setattr(teacher, "teacher_views", lambda: chosen)
    network = teacher.Teacher(brightness(alignment), alignment)
    targets = teacher.distill(person, network, network, lambda: None, threads=1)
    np.testing.assert_allclose(
        targets.keypoints[0, :, :2], np.tile(SPOT_XY, (17, 1)), atol=0.05 * STRIDE
    )
    batch = CropSampler(person, targets, TURNED, seed=0).draw(16, TEACHER_INPUT, (1.0,))
    found = centres(make_targets(batch, TargetOptions(stride=STRIDE, teacher_share=1)))
    expected = (batch.points.numpy() + 0.5) / STRIDE - 0.5
    assert np.abs(found - expected).max() < 0.05


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("view", range(4), ids=["upright", "mirrored", "20", "-20 mirrored"])
def test_an_accelerator_reads_every_view_alike(person, monkeypatch, alignment, view):
    class Brightness(nn.Module):
        def forward(self, images):
            return torch.from_numpy(brightness(alignment)(images.numpy()))

    chosen = [teacher.teacher_views()[view]]
    monkeypatch.setattr(
        "litepose_export.training.accelerator.teacher_maps.teacher_views", lambda: chosen
    )
    photographs = PhotographStore(person.images, "cpu")
    kept = TeacherMaps(person, Brightness(), alignment, photographs, "cpu")
    number = torch.zeros(1, dtype=torch.int64)
    found = centres(kept.of(number, torch.zeros(1, dtype=torch.bool)))[0]
    to_cells = kept.to_cells(number, np.eye(2, 3)[None])[0]
    expected = geometry.transform(to_cells, SPOT_XY[None])
    assert np.abs(found - expected).max() < 0.05 * STRIDE / teacher.TEACHER_STRIDE


def test_the_alignment_comes_from_the_sidecar(tmp_path):
    path = tmp_path / "teacher.tflite"
    path.write_bytes(b"a network")
    assert teacher.teacher_alignment(path) == "corner"  # as heatmap networks are published
    graph = Graph("teacher", TEACHER_INPUT, False, False, ("x", "y"), COCO_17)
    document = manifest_to_builtins(preset(OutputFormatName.HEATMAP, graph))
    document["model"]["heatmaps"]["alignment"] = "udp"
    udp = parse_manifest(json.dumps(document))
    sidecar.path_of(path).write_bytes(sidecar.encode(udp, files.read(path)))
    assert teacher.teacher_alignment(path) == "udp"
    simcc = preset(OutputFormatName.SIMCC, graph)
    sidecar.path_of(path).write_bytes(sidecar.encode(simcc, files.read(path)))
    with pytest.raises(ManifestError, match="not a heatmap network"):
        teacher.teacher_alignment(path)


def test_targets_of_an_older_version_are_not_read(person, tmp_path):
    network = teacher.Teacher(brightness("corner"), "corner")
    targets = teacher.distill(person, network, network, lambda: None, threads=1)
    path = tmp_path / "targets.npz"
    save_distillation_targets(targets, path, "hash")
    read = load_distillation_targets(path, "hash")
    np.testing.assert_array_equal(read.maps, targets.maps)
    np.savez(path, maps=targets.maps, keypoints=targets.keypoints, trusted=targets.trusted)
    assert load_distillation_targets(path, "hash") is None
