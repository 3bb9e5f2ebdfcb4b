"""The rivals' own code: with our weights everybody finds our joints, and files may be missing."""

from __future__ import annotations

import numpy as np
import pytest

import rivals
from litepose_edge.sources import read_image

NAMES = ["OpenCV DNN", "OpenVINO alone", "OpenVINO alone, INT8", "rtmlib 0.0.16"]
BOX = np.array([60.0, 0.0, 440.0, 511.0], np.float32)


def opened(name, peers):
    (rival,) = (r for r in rivals.all_rivals(peers) if r.name == name)
    try:
        return rival.open()
    except rivals.NotHereError as exc:
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
    foreign = [r for r in rivals.all_rivals(tmp_path) if r.weights.startswith("its own")]
    assert len(foreign) == 3
    for rival in foreign:
        with pytest.raises(rivals.NotHereError, match=r"is not here|is not installed"):
            rival.open()
