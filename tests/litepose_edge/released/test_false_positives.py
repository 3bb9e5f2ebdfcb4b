"""As many people as there are: none in views without people, one, two side by side."""

from __future__ import annotations

import numpy as np
import pytest

from litepose_edge import Estimator
from litepose_edge.measure.accuracy.negatives import WITHOUT_PEOPLE, views_without_people
from litepose_edge.sources import read_image

CROPS = 20


@pytest.fixture(scope="module", params=["lrpose-n", "lrpose-s", "lrpose-m"])
def estimator(request):
    with Estimator(request.param) as estimator:
        yield estimator


def find(folder, name):
    """A photograph of scikit-image's wheel, or a skip where this version's wheel lacks it."""
    found = sorted(folder.glob(f"{name}.*"))
    if not found:
        pytest.skip(f"scikit-image's wheel does not hold '{name}'")
    return read_image(found[0])


@pytest.mark.parametrize("name", WITHOUT_PEOPLE)
def test_no_person_is_found_in_views_without_people(estimator, photographs, name):
    find(photographs, name)
    views = views_without_people(CROPS, [name], seed=sum(name.encode()))
    assert len(views) == 1 + CROPS
    assert sum(len(estimator.predict(view)) for view in views) == 0


@pytest.mark.parametrize("name", ["astronaut", "camera"])
def test_one_person_is_found_where_there_is_one(estimator, photographs, name):
    assert len(estimator.predict(find(photographs, name))) == 1


def test_two_side_by_side_are_two_with_skeletons_of_their_own(estimator, photographs):
    both = np.hstack([find(photographs, "astronaut"), find(photographs, "camera")])
    poses = estimator.predict(both)
    assert len(poses) == 2
    middles = sorted(poses.keypoints[..., 0].mean(axis=1).tolist())
    assert middles[0] < 512 < middles[1]
    assert np.abs(poses.keypoints[0] - poses.keypoints[1]).mean() > 100


def test_no_person_is_found_in_noise_and_gradients(estimator):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 640)
    scenes = [
        np.zeros((480, 640, 3)),
        np.full((480, 640, 3), 255),
        rng.integers(0, 256, (480, 640, 3)),
        np.repeat(rng.integers(0, 256, (60, 80, 3)), 8, axis=0).repeat(8, axis=1),
        np.broadcast_to(ramp[None, :, None], (480, 640, 3)),
        np.broadcast_to(np.linspace(255, 0, 480)[:, None, None], (480, 640, 3)),
        rng.normal(128, 30, (480, 640, 3)).clip(0, 255),
    ]
    for scene in scenes:
        assert len(estimator.predict(np.ascontiguousarray(scene, np.uint8))) == 0
