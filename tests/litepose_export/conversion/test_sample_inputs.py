"""Photographs that networks are calibrated and compared on, as the runtime sees them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

from exif import with_orientation  # noqa: E402
from litepose_edge.sources import read_image  # noqa: E402
from litepose_edge.testing import FakeSession  # noqa: E402
from litepose_export.conversion.sample_inputs import (  # noqa: E402
    calibration_inputs,
    read_folder,
    read_pixels,
)
from litepose_export.models import manifests, networks  # noqa: E402
from litepose_export.quantization.gate.comparison import compare_sessions  # noqa: E402


class SeenEnoughError(Exception):
    """Ends a comparison once a network was asked."""


@pytest.fixture
def folders(tmp_path):
    """A photograph whose EXIF says that it lies on its side, and the same one turned upright."""
    for name in ("lying", "upright"):
        (tmp_path / name).mkdir()
    stored = np.random.default_rng(0).integers(0, 256, (10, 20, 3), np.uint8)
    stored = cv2.resize(stored, (200, 100), interpolation=cv2.INTER_CUBIC)
    lying = with_orientation(tmp_path / "lying" / "1.jpg", stored, 6)
    cv2.imwrite(str(tmp_path / "upright" / "1.png"), read_image(lying))
    return tmp_path / "lying", tmp_path / "upright"


def whole(image):
    assert image.shape == (200, 100, 3)
    return np.float32([[0, 0, 100, 200]])


@pytest.mark.parametrize("name", ["lrpose-n", "persondet", "litepose-xs"])
def test_unlabelled_photographs_are_turned_upright(folders, name):
    manifest = manifests.manifest(networks.find(name), 17)
    crops, batches = [], []
    for folder in folders:
        dataset = read_folder(folder, whole)
        crops.append(calibration_inputs(dataset, manifest, 1).crops)

        def stop(batch):
            raise SeenEnoughError

        session = FakeSession(stop)
        with pytest.raises(SeenEnoughError):
            compare_sessions((session, session), manifest, dataset, 1)
        batches.append(session.batches[0])
    np.testing.assert_array_equal(*crops)
    np.testing.assert_array_equal(*batches)


def test_labelled_photographs_are_taken_as_they_are_stored(folders):
    dataset = read_folder(folders[0], None)
    labelled = replace(dataset, keypoint_names=("nose",))
    assert read_pixels(dataset.images[0], dataset).shape == (200, 100, 3)
    assert read_pixels(labelled.images[0], labelled).shape == (100, 200, 3)
