"""What the tests of training share."""

from __future__ import annotations

import pytest

from litepose_edge.measure.accuracy.coco import read_coco
from litepose_export.training.data.people import People, load_people


@pytest.fixture(autouse=True)
def single_threaded(one_thread) -> None:
    """Tests that run side by side would otherwise wait for each other's threads."""


@pytest.fixture(scope="session")
def people(photo_dataset) -> People:
    """The eight drawn figures."""
    return load_people([read_coco(photo_dataset)])
