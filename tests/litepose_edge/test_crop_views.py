"""What a pose network saw of a person."""

from __future__ import annotations

import dataclasses

import cv2
import msgspec
import numpy as np
import pytest

from litepose_edge import Estimator, backends
from litepose_edge.decoding.simcc import heat_of
from litepose_edge.errors import UnknownKeypointError, UnsupportedModelError
from litepose_edge.manifest import ScoreCalibration, SimccSpec, TopDownSpec
from litepose_edge.sources import read_image


@pytest.fixture(scope="module")
def estimator():
    with Estimator(threads=1) as estimator:
        yield estimator


@pytest.fixture(scope="module")
def astronaut(photographs):
    return read_image(photographs / "astronaut.png")


def test_there_is_a_view_of_each_person_found_with_the_heat_at_the_keypoints(estimator, astronaut):
    (view,) = estimator.crop_views(astronaut)
    (person,) = estimator.predict(astronaut)
    assert view.crop.shape[2] == 3
    assert view.heat.shape[0] == 17
    assert view.heat.min() >= 0
    assert view.heat.max() <= 1
    height, width = view.crop.shape[:2]
    cells = np.array(view.heat.shape[:0:-1])
    for i in np.flatnonzero(view.scores > 0.6):
        y, x = np.unravel_index(view.heat[i].argmax(), view.heat[i].shape)
        place = (np.array([x, y]) + 0.5) / cells * (width, height)
        assert np.linalg.norm(place - view.keypoints[i]) < 12
    assert np.argmax(view.scores) == np.argmax(person.scores)


def test_views_of_given_boxes_come_in_order(estimator, astronaut):
    views = estimator.crop_views(astronaut, boxes_xyxy=[[60, 0, 440, 511], [300, 300, 500, 500]])
    assert len(views) == 2
    assert views[0].scores.mean() > views[1].scores.mean()
    assert estimator.crop_views(astronaut, boxes_xyxy=[]) == []
    assert estimator.crop_views(np.zeros((90, 120, 3), np.uint8)) == []


def test_the_picture_has_crop_and_heat_side_by_side(estimator, astronaut):
    (view,) = estimator.crop_views(astronaut[..., ::-1], colour="rgb")
    drawn = view.draw(height=256)
    assert drawn.shape == (256, 2 * round(view.crop.shape[1] * 256 / view.crop.shape[0]), 3)
    one = view.draw("nose", height=256)
    assert (one != drawn).any()
    shown = cv2.imdecode(np.frombuffer(view._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[0] == 512
    with pytest.raises(UnknownKeypointError, match="left_wrist"):
        view.draw("wrist")
    with pytest.raises(ValueError, match="height"):
        view.draw(height=0)


def test_the_heat_of_simcc_is_the_product_of_its_classifications():
    x, y = np.zeros((1, 8), np.float32), np.zeros((1, 6), np.float32)
    x[0, 5], y[0, 2] = 0.9, 0.5
    heat = heat_of(x, y, SimccSpec(x="x", y="y", split_ratio=1.0))
    assert heat.shape == (1, 6, 8)
    assert heat[0, 2, 5] == pytest.approx(0.45)
    assert heat.sum() == pytest.approx(0.45)


def test_networks_of_whole_images_have_no_crop_views(estimator, astronaut, monkeypatch):
    with Estimator() as other:
        monkeypatch.setattr(other._networks, "_crops", None)
        with pytest.raises(UnsupportedModelError, match="sees whole images"):
            other.crop_views(astronaut)


def test_scores_of_views_are_those_that_predict_reports(astronaut, monkeypatch):
    real = backends.find_model

    def find_model(*args, **kwargs):
        found = real(*args, **kwargs)
        if not isinstance(found.manifest.model, TopDownSpec):
            return found
        line = ScoreCalibration(scale=2.0, offset=-1.0)
        model = msgspec.structs.replace(found.manifest.model, score_calibration=line)
        return dataclasses.replace(
            found, manifest=msgspec.structs.replace(found.manifest, model=model)
        )

    box = [[60, 0, 440, 511]]
    with Estimator(threads=1) as plain:
        before = plain.predict(astronaut, boxes_xyxy=box)
    monkeypatch.setattr(backends, "find_model", find_model)
    with Estimator(threads=1) as estimator:
        poses = estimator.predict(astronaut, boxes_xyxy=box)
        (view,) = estimator.crop_views(astronaut, boxes_xyxy=box)
    assert np.abs(poses.scores - before.scores).max() > 0.05
    np.testing.assert_allclose(view.scores, poses.scores[0], atol=1e-6)
