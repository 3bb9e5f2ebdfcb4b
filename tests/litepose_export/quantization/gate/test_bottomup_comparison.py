"""The gate's figures of bottom-up networks."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_edge.testing import gaussian_heatmaps  # noqa: E402
from litepose_export.models import manifests, networks  # noqa: E402
from litepose_export.quantization.gate.comparison import compare_sessions  # noqa: E402
from litepose_export.training.bottomup.validation import TorchSession  # noqa: E402

MANIFEST = manifests.manifest(networks.find("litepose-xs"), 17, Size(240, 240))


class Drawn(torch.nn.Module):
    """Answers every picture of 180x240 with the maps of one person, its input being 240x320."""

    def __init__(self, points, moved_px) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self._points = points * (240 / 180) + [moved_px, 0]

    def forward(self, image):
        height, width = image.shape[2:]
        fine, coarse = (
            gaussian_heatmaps(
                (self._points + 0.5) / stride - 0.5, height // stride, width // stride
            )
            for stride in (2, 4)
        )
        both = np.concatenate([coarse, np.zeros_like(coarse)])
        return torch.tensor(both)[None], torch.tensor(fine)[None]


@pytest.mark.parametrize("size", [1.0, 0.4])
def test_shifts_are_measured_by_the_photograph_and_similarity_by_the_person(photo_dataset, size):
    """Four pixels of a 240-pixel input are four cells at most, however small the person is."""
    dataset = read_coco(photo_dataset)
    points = dataset.images[0].keypoints[0, :, :2] * size + 10
    sessions = tuple(TorchSession(Drawn(points, moved), MANIFEST) for moved in (0, 4))
    figures = compare_sessions(sessions, MANIFEST, dataset, people=3)
    assert figures.people == 3
    assert figures.recall == 1
    assert figures.shift_px == pytest.approx(4 * 256 / 240, abs=0.3)
    whole = compare_sessions(
        tuple(TorchSession(Drawn(points / size, moved), MANIFEST) for moved in (0, 4)),
        MANIFEST, dataset, people=3,
    )  # fmt: skip
    assert figures.shift_px == pytest.approx(whole.shift_px, abs=0.3)
    assert (figures.oks < whole.oks - 0.05) == (size < 1)
