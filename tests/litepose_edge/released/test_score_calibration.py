"""A manifest's calibration changes the keypoint scores that are reported, and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from litepose_edge import Estimator
from litepose_edge.backends import bundled
from litepose_edge.decoding.score_calibration import calibrate
from litepose_edge.manifest import (
    METADATA_KEY,
    ScoreCalibration,
    TopDownSpec,
    encode_manifest,
    parse_manifest,
)
from litepose_edge.sources import read_image

CALIBRATION = ScoreCalibration(scale=1.5, offset=0.8)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """LRPose-n without and with a calibration."""
    folder = tmp_path_factory.mktemp("calibrated")
    written = []
    for name, calibration in (("plain", None), ("calibrated", CALIBRATION)):
        model = onnx.load(bundled.find("lrpose-n", "int8"))
        (entry,) = [entry for entry in model.metadata_props if entry.key == METADATA_KEY]
        manifest = parse_manifest(entry.value)
        assert isinstance(manifest.model, TopDownSpec)
        task = msgspec.structs.replace(manifest.model, score_calibration=calibration)
        entry.value = encode_manifest(msgspec.structs.replace(manifest, model=task))
        written.append(folder / f"{name}.onnx")
        onnx.save(model, written[-1])
    return written[0], written[1]


def test_people_stay_and_their_keypoints_scores_are_calibrated(files, photographs):
    image = read_image(photographs / "astronaut.png")
    found = []
    for file in files:
        with Estimator(file, threads=1) as estimator:
            tracker = estimator.tracker(detect_every=1, smooth=False)
            detected = estimator.predict(image)
            given = estimator.predict(image, boxes_xyxy=detected.boxes_xyxy)
            streamed = next(iter(estimator.stream([image]))).poses
            tracker.update(image, timestamp_s=0.0)
            found.append([detected, given, streamed, tracker.update(image, timestamp_s=0.1)])
    for plain, calibrated in zip(*found, strict=True):
        assert len(plain) == len(calibrated) > 0
        for name in ("keypoints", "boxes_xyxy", "person_scores"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(calibrated, name))
        assert calibrated.scores.dtype == np.float32
        np.testing.assert_array_equal(calibrated.scores, calibrate(plain.scores, CALIBRATION))
        assert np.abs(calibrated.scores - plain.scores).max() > 0.05
