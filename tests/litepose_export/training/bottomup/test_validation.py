"""Scoring bottom-up networks in training."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from hands import write_hands  # noqa: E402
from litepose_edge import geometry  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.skeletons import Skeleton  # noqa: E402
from litepose_edge.testing import gaussian_heatmaps  # noqa: E402
from litepose_export.models import manifests, networks  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.models.trained import TrainedAs  # noqa: E402
from litepose_export.training.bottomup.validation import BottomUpValidator, TorchSession  # noqa: E402

TINY = Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)


MANIFEST = manifests.manifest(networks.find("litepose-xs"), 17, Size(240, 240))


class Knowing(torch.nn.Module):
    """Answers with the maps that a file's labels of one each ask for, as if learned."""

    def __init__(self, dataset) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self._points = []
        for image in dataset:
            size = Size.of(cv2.imread(str(image.path)))
            to_input = geometry.letterbox_affine(size, Size(240, 240))
            self._points.append(geometry.transform(to_input, image.keypoints[0, :, :2]))
        self.calls = 0

    def forward(self, image):
        points = self._points[self.calls % len(self._points)]
        self.calls += 1
        height, width = image.shape[2:]
        fine, coarse = (
            gaussian_heatmaps((points + 0.5) / stride - 0.5, height // stride, width // stride)
            for stride in (2, 4)
        )
        tags = np.zeros_like(coarse)
        both = np.concatenate([coarse, tags])
        return torch.tensor(both)[None], torch.tensor(fine)[None]


def test_a_network_that_knows_every_joint_scores_full_marks_without_boxes(photo_dataset):
    dataset = read_coco(photo_dataset)
    score = BottomUpValidator(dataset, MANIFEST, resize="letterbox")
    network = Knowing(dataset).train()
    metrics = score(network)
    assert metrics["ap"] > 0.9
    assert network.training


def test_other_keypoints_are_scored_too(tmp_path):
    path = write_hands(tmp_path / "hands", 3)
    skeleton = Skeleton.from_coco(path)
    entry, size = networks.find("litepose-xs"), Size(240, 240)
    manifest = manifests.manifest(entry, 21, size, trained=TrainedAs(skeleton=skeleton))
    dataset = read_coco(path)
    score = BottomUpValidator(dataset, manifest, resize="letterbox")
    assert score(Knowing(dataset))["ap"] > 0.9


def test_no_more_photographs_are_scored_than_asked_for(photo_dataset):
    dataset = read_coco(photo_dataset)
    score = BottomUpValidator(dataset, MANIFEST, resize="letterbox", max_photographs=3)
    network = Knowing(dataset)
    score(network)
    assert network.calls == 3


def test_a_threshold_above_every_peak_finds_no_one(photo_dataset):
    dataset = read_coco(photo_dataset)
    score = BottomUpValidator(dataset, MANIFEST, resize="letterbox", min_peak=0.99)
    assert score(Knowing(dataset))["ap"] == 0


def test_a_pytorch_network_stands_behind_the_runtimes_seam():
    session = TorchSession(LitePose(TINY).eval(), MANIFEST)
    outputs = session.run(np.zeros((1, 3, 64, 96), np.float32))
    assert {name: maps.shape for name, maps in outputs.items()} == {
        "coarse": (1, 34, 16, 24),
        "fine": (1, 17, 32, 48),
    }
