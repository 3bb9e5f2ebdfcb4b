"""Baselines run by their own code: with our weights all find our joints; files may be missing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import baselines
from litepose_edge.sources import read_image

NAMES = ["OpenCV DNN", "OpenVINO alone", "OpenVINO alone, INT8", "rtmlib 0.0.16"]
BOX = np.array([60.0, 0.0, 440.0, 511.0], np.float32)


def opened(name, peers):
    (baseline,) = (r for r in baselines.all_baselines(peers) if r.name == name)
    try:
        return baseline.open()
    except baselines.NotHereError as exc:
        pytest.skip(str(exc))


@pytest.mark.parametrize("name", NAMES)
def test_other_code_around_our_weights_finds_our_joints(name, photographs, tmp_path):
    image = read_image(photographs / "astronaut.png")
    keypoints, scores = opened("litepose-edge", tmp_path)(image, BOX)
    others, other_scores = opened(name, tmp_path)(image, BOX)
    sure = scores > 0.5
    assert sure.sum() >= 5
    distance = np.linalg.norm(keypoints - others, axis=1)[sure]
    # A cell of the heatmap is 26 pixels of this photograph.
    assert np.median(distance) < 13
    assert np.abs(scores - other_scores)[sure].max() < 0.15


def test_a_foreign_network_that_is_missing_is_named(tmp_path):
    foreign = [r for r in baselines.all_baselines(tmp_path) if r.weights.startswith("its own")]
    assert len(foreign) == 3
    for baseline in foreign:
        with pytest.raises(baselines.NotHereError, match=r"is not here|is not installed"):
            baseline.open()
