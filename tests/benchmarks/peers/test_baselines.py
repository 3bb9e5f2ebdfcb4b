"""Baselines run by their own code: with our weights all find our joints; files may be missing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import baselines
from litepose_edge.backends import files, find_model, open_files
from litepose_edge.decoding.score_calibration import calibrate
from litepose_edge.geometry import Size
from litepose_edge.manifest.presets import Graph, OutputFormatName, preset
from litepose_edge.pipelines.topdown import TopDown
from litepose_edge.skeletons import COCO_17
from litepose_edge.sources import read_image
from paths import SHARED

NAMES = ["OpenCV DNN", "OpenVINO alone", "OpenVINO alone, INT8", "rtmlib 0.0.16"]
PEERS = SHARED / "peers"
FOREIGN = [
    ("PP-TinyPose", "pose/pptinypose_256x192/model.xml", "openvino"),
    ("Ultralight-SimplePose", "pose/ultralight_simplepose_256x192.onnx", "onnxruntime"),
]
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
    others, decoded = opened(name, tmp_path)(image, BOX)
    calibration = find_model("lrpose-s").manifest.model.score_calibration
    other_scores = calibrate(decoded.astype(np.float32), calibration)
    sure = scores > 0.5
    assert sure.sum() >= 5
    distance = np.linalg.norm(keypoints - others, axis=1)[sure]
    # A cell of the heatmap is 26 pixels of this photograph.
    assert np.median(distance) < 13
    assert np.abs(scores - other_scores)[sure].max() < 0.15


def test_a_foreign_network_that_is_missing_is_named(tmp_path):
    foreign = [r for r in baselines.all_baselines(tmp_path) if r.weights.startswith("its own")]
    assert len(foreign) == 5
    for baseline in foreign:
        with pytest.raises(baselines.NotHereError, match=r"is not here|is not installed"):
            baseline.open()


@pytest.mark.parametrize(("name", "file", "backend"), FOREIGN)
def test_a_foreign_network_is_decoded_as_it_is_published(name, file, backend, photographs):
    """Half a stride off, its keypoints would lie 4 pixels of this photograph away."""
    if not (PEERS / file).exists():
        pytest.skip("needs networks of others, which are not part of the project")
    image = read_image(photographs / "astronaut.png")
    found, scores = opened(name, PEERS)(image, BOX)
    source = files.read(PEERS / file)
    outputs = open_files(source, backend, threads=1).outputs
    graph = Graph("foreign", Size(192, 256), False, False, outputs, COCO_17)
    published = TopDown(
        lambda threads: open_files(source, backend, threads=threads).session,
        preset(OutputFormatName.HEATMAP, graph),
        threads=1,
    )
    expected, _ = published(image, BOX[None])
    published.close()
    sure = scores > 0.5
    assert sure.sum() >= 5
    assert np.abs(np.median((found - expected[0])[sure], axis=0)).max() < 2
