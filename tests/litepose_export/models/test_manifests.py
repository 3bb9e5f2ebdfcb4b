"""Whose thresholds, data and licence a network's manifest states."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from litepose_edge import skeletons
from litepose_edge.manifest import Training
from litepose_export.errors import ExportError
from litepose_export.models import manifests, networks
from litepose_export.models.released import POSE_NETWORKS
from litepose_export.models.thresholds import Thresholds
from litepose_export.models.trained import TrainedAs

MINE = Training(data=("my hands",), licence="proprietary")
HANDS = TrainedAs(skeleton=skeletons.HAND_21, training=MINE, thresholds=Thresholds(0.4))


def test_released_thresholds_are_refused_for_other_keypoints():
    entry = networks.find("lrpose-n")
    mine = manifests.manifest(entry, 21, trained=HANDS)
    assert (mine.training, mine.model.min_pose_score) == (MINE, 0.4)
    with pytest.raises(ExportError, match="leave `released` out"):
        manifests.manifest(entry, 21, trained=HANDS, released=True)


@pytest.mark.parametrize("name", ["persondet", "litepose-xs", "simplebaseline-r50"])
def test_released_thresholds_are_refused_for_networks_without_any(name):
    with pytest.raises(ExportError, match="lrpose-s"):
        manifests.manifest(networks.find(name), 17, released=True)


def test_released_thresholds_take_the_place_of_a_runs_own():
    # m, whose flip tests are neither off nor what a run's own would be.
    entry, ours = networks.find("lrpose-m"), POSE_NETWORKS["lrpose-m"]
    trained = TrainedAs(training=MINE, thresholds=Thresholds(0.4))
    released = manifests.manifest(entry, 17, trained=trained, released=True)
    assert released.training == ours.training
    for name in ("min_pose_score", "flip_test_below", "flip_test_below_detected"):
        assert getattr(released.model, name) == getattr(ours, name)
        assert getattr(ours, name) > 0
